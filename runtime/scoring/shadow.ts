/**
 * Shadow: another version is asked what was asked, once the answer is given and while nobody waits. Nobody sees what it
 * answers; how far it is from what was answered is counted.
 */

import type { Description } from '../contract/description.ts'
import { encodeError } from '../errors.ts'
import { divergences } from '../telemetry/divergence.ts'
import type { ShadowCounts } from '../telemetry/shadow-counts.ts'
import type { Source, Tally } from '../telemetry/tally.ts'
import type { Tensor, Tensors } from '../tensor/tensor.ts'
import { hasBatchAxis } from './batcher.ts'
import { type Entry, sourceOf } from './deployments.ts'

/** What was asked and answered. */
export interface Answered {
  by: Source
  description: Description
  inputs: Tensors
  outputs: Tensors
}

export interface Shadow {
  /** The entry is asked the same; or not, where the host has other work by then. What is given here is copied. */
  follow(entry: Entry, answered: Answered): void
  /** A request came: what waits here is not asked any more. */
  interrupt(): void
  /** Settles when what was followed last is over, or was skipped; never rejects. */
  settled(): Promise<void>
}

export interface ShadowOptions {
  tally: Pick<Tally, 'shadow'>
  /** Whether no request waits or runs, and none for the device of the entry. */
  isIdle(entry: Entry): boolean
  /** For so long nothing may have come. */
  restMs: number
}

interface Waiting {
  timer: ReturnType<typeof setTimeout>
  counts(): ShadowCounts
  /** It will not be asked. */
  skipped(): void
}

/** Behind every request that comes while one runs here. */
const priority = Number.MIN_SAFE_INTEGER

/**
 * At most one request in so many comes while one runs here, however requests come: a run cannot be broken off, and what 2 %
 * of requests wait for is not seen in a 95th percentile.
 */
const requestsPerDelay = 50

export function openShadow({ tally, isIdle, restMs }: ShadowOptions): Shadow {
  // One at a time, so that copies take no more memory than one request has.
  let waiting: Waiting | undefined
  let settled = Promise.resolve()
  let running = false
  let [requests, delayed] = [0, 0]

  async function ask(entry: Entry, answered: Answered, counts: () => ShadowCounts): Promise<void> {
    running = true
    const { description, inputs, outputs } = answered
    const began = performance.now()
    try {
      const theirs = entry.served.description
      const names = Object.keys(outputs).filter((name) => theirs.outputs.some((each) => each.name === name))
      const other = await entry.served.run(inputs, names, { priority })
      const rows = hasBatchAxis(description) ? (Object.values(inputs)[0]?.shape[0] ?? 1) : 1
      const found = divergences({ description, outputs }, { description: theirs, outputs: other.outputs }, rows)
      counts().compared(found, performance.now() - began)
    } catch (error) {
      counts().failed(encodeError(error).code)
    } finally {
      running = false
    }
  }

  function skip(): void {
    if (waiting === undefined) return
    clearTimeout(waiting.timer)
    waiting.counts().skipped()
    waiting.skipped()
    waiting = undefined
  }

  return {
    follow(entry, answered) {
      const against = { deployment: answered.by.deployment, version: answered.by.version }
      // Of the window in which something is counted: one that was reported takes no more.
      const counts = () => tally.shadow(sourceOf(entry, entry.served.lane), against)
      if (running || waiting !== undefined || delayed * requestsPerDelay > requests) return counts().skipped()
      const kept = { ...answered, inputs: copied(answered.inputs), outputs: copied(answered.outputs) }
      settled = new Promise((settle) => {
        const timer = setTimeout(() => {
          // In an isolate no request ends the timer of another.
          if (waiting !== mine) return settle()
          if (!isIdle(entry)) return skip()
          waiting = undefined
          void ask(entry, kept, counts).then(settle)
        }, restMs)
        const mine: Waiting = { timer, counts, skipped: settle }
        waiting = mine
      })
    },
    interrupt() {
      requests++
      if (running) delayed++
      skip()
    },
    settled: () => settled,
  }
}

function copied(tensors: Tensors): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() } as Tensor]),
  )
}
