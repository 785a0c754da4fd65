/** An ensemble at work: its steps run one after the other in one process, and requests are batched at its border. */

import type { Description } from '../contract/description.ts'
import { type EnsembleSignature, ensembleVariant, type PlanEnsemble } from '../contract/ensemble.ts'
import { SelvedgeError } from '../errors.ts'
import type { Tensors } from '../tensor/tensor.ts'
import { type Batcher, openBatcher } from './batcher.ts'
import { openQueue } from './queue.ts'
import type { Answering, Served } from './served.ts'
import type { Session } from './session.ts'

/** `close` waits for the runs that were accepted and leaves the steps open. */
export interface ServedEnsemble extends Answering {
  close(): Promise<void>
}

/** @param stepOf - the version that runs a step, by the name of its deployment */
export function openEnsemble(ensemble: PlanEnsemble, stepOf: (deployment: string) => Served): ServedEnsemble {
  const steps = ensemble.steps.map(({ deployment, ...maps }) => ({ served: stepOf(deployment), ...maps }))
  const description = describeEnsemble(ensemble)
  const accepted = new Set<Promise<unknown>>()

  const batcher: Batcher = openBatcher(sessionOf(ensemble, steps), openQueue(), description, {
    rows: ensemble.resources?.batchRows,
    delayMs: ensemble.resources?.batchDelayMs,
  })

  // Of the last step: what an answer waited for is there.
  function lane() {
    const { provider } = lastOf(steps).served.lane
    const why = steps.map(({ served }) => `${served.deployment.model}: ${served.lane.why}`).join('; ')
    return { variant: { id: ensembleVariant }, provider, why }
  }

  return {
    description,
    get lane() {
      return lane()
    },
    async run(inputs, outputs, options) {
      const running = batcher.run(inputs, outputs, options)
      accepted.add(running)
      try {
        return { ...(await running), lane: lane() }
      } finally {
        accepted.delete(running)
      }
    },
    async close() {
      await Promise.allSettled(accepted)
    },
  }
}

/** What a caller sees of it. */
export function describeEnsemble({ inputs, outputs, features, output }: EnsembleSignature): Description {
  return { inputs, outputs, ...(features && { features }), ...(output && { output }), variants: [] }
}

interface Step extends Omit<PlanEnsemble['steps'][number], 'deployment'> {
  served: Served
}

// Its queue is its own: a step waits in that of its device, where the ensemble must not stand before it.
function sessionOf(ensemble: PlanEnsemble, steps: readonly Step[]): Session {
  const all = ensemble.outputs.map(({ name }) => name)
  return {
    get provider() {
      return lastOf(steps).served.lane.provider
    },
    async run(inputs, outputs = all) {
      const tensors: Tensors = { ...inputs }
      for (const step of steps) {
        const made = await step.served.run(named(step.inputs, tensors), Object.keys(step.outputs), { isAdmitted: true })
        for (const [output, tensor] of Object.entries(step.outputs)) {
          const value = made.outputs[output]
          if (value !== undefined) tensors[tensor] = value
        }
      }
      return named(Object.fromEntries(outputs.map((name) => [name, name])), tensors)
    },
    close: async () => undefined,
  }
}

function lastOf(steps: readonly Step[]): Step {
  const last = steps.at(-1)
  if (last === undefined) throw new SelvedgeError('PLAN_INVALID', 'an ensemble has no step')
  return last
}

/** Tensors under the names that a network has for them. */
function named(map: Readonly<Record<string, string>>, tensors: Tensors): Tensors {
  return Object.fromEntries(
    Object.entries(map).map(([name, tensor]) => {
      const value = tensors[tensor]
      if (value === undefined) throw new SelvedgeError('PLAN_INVALID', `no step of the ensemble makes "${tensor}"`)
      return [name, value]
    }),
  )
}
