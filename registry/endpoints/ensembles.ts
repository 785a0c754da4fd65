/** Whether steps fit together, and what an ensemble of them takes and gives. */

import type { Description, Dimension, Feature, TensorSignature } from '../../runtime/contract/description.ts'
import type { EnsembleSignature, EnsembleStep } from '../../runtime/contract/ensemble.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { hasBatchAxis } from '../../runtime/scoring/batcher.ts'
import { describeEnsemble } from '../../runtime/scoring/ensemble.ts'
import { inputLayouts } from '../../runtime/tensor/layout.ts'
import type { EnsembleDeployment } from '../store/deployment.ts'
import { openSizes, type Sizes } from './sizes.ts'

/** A step with what the version that it runs says of itself. */
export interface DescribedStep {
  step: EnsembleStep
  description: Description
}

export type Composed = Pick<EnsembleDeployment, 'steps'> & EnsembleSignature

/**
 * Brings the steps into an order in which they can run. A size has the name that a network gives it, one name wherever
 * networks must agree on it.
 *
 * @param outputs - tensors that the ensemble answers with
 * @throws {@link SelvedgeError} `ENSEMBLE_INVALID` for what a network does not have, an input left open, a tensor made
 * twice or by nobody, a cycle, datatypes and sizes that differ
 */
export function composeEnsemble(steps: readonly DescribedStep[], outputs: readonly string[]): Composed {
  if (steps.length === 0) throw invalid('it has no step')
  if (outputs.length === 0) throw invalid('it has no output')
  for (const each of steps) demandNames(each)
  const makers = makersOf(steps)
  for (const [i, tensor] of outputs.entries()) {
    if (!makers.has(tensor)) throw invalid(`no step makes its output "${tensor}"`)
    if (outputs.indexOf(tensor) < i) throw invalid(`its output "${tensor}" is named twice`)
  }
  const ordered = orderOf(steps, makers)
  const sizes = openSizes()
  const takers = ordered.flatMap((each) => ends(each, 'inputs'))
  for (const taker of takers) {
    const other = makers.get(taker.tensor) ?? takers.find(({ tensor }) => tensor === taker.tensor)
    if (other !== undefined && other !== taker) join(other, taker, sizes)
  }
  const inputs = new Map<string, TensorSignature>()
  const outer = takers.filter(({ tensor }) => !makers.has(tensor))
  for (const taker of outer) {
    const held = inputs.get(taker.tensor)
    inputs.set(taker.tensor, held === undefined ? signatureOf(taker, sizes) : narrowed(held, signatureOf(taker, sizes)))
  }
  const signature = {
    inputs: [...inputs.values()],
    outputs: outputs.flatMap((tensor) => {
      const maker = makers.get(tensor)
      return maker === undefined ? [] : [signatureOf(maker, sizes)]
    }),
  }
  const isBatchable = !hasBatchAxis(describeEnsemble(signature)) || isBatchableThroughout(ordered, sizes)
  const meant = { ...(isBatchable ? signature : withoutSymbols(signature)), ...outputOf(outputs, makers) }
  return { steps: ordered.map(({ step }) => step), ...meant, ...featuresOf(outer, meant) }
}

/** One end of a tensor: an input or output of a step's network. */
interface End {
  tensor: string
  owner: DescribedStep
  signature: TensorSignature
}

function ends(owner: DescribedStep, side: 'inputs' | 'outputs'): End[] {
  return Object.entries(owner.step[side]).flatMap(([name, tensor]) => {
    const signature = owner.description[side].find((each) => each.name === name)
    return signature === undefined ? [] : [{ tensor, owner, signature }]
  })
}

function demandNames(owner: DescribedStep): void {
  const { step, description } = owner
  for (const side of ['inputs', 'outputs'] as const) {
    const known = description[side].map(({ name }) => name)
    const unknown = Object.keys(step[side]).find((name) => !known.includes(name))
    if (unknown === undefined) continue
    throw invalid(`${nameOf(owner)} has no ${side.slice(0, -1)} "${unknown}"; its ${side} are ${quoted(known)}`)
  }
  const open = description.inputs.find(({ name }) => !Object.hasOwn(step.inputs, name))
  if (open !== undefined) throw invalid(`input "${open.name}" of ${nameOf(owner)} is left open`)
  if (Object.keys(step.outputs).length === 0) throw invalid(`no output of ${nameOf(owner)} is taken`)
}

function makersOf(steps: readonly DescribedStep[]): Map<string, End> {
  const makers = new Map<string, End>()
  for (const end of steps.flatMap((each) => ends(each, 'outputs'))) {
    const first = makers.get(end.tensor)
    if (first !== undefined) {
      throw invalid(`"${end.tensor}" is made twice, by ${nameOf(first.owner)} and by ${nameOf(end.owner)}`)
    }
    makers.set(end.tensor, end)
  }
  return makers
}

// Kahn: whoever waits for nobody goes next, in the order that was given.
function orderOf(steps: readonly DescribedStep[], makers: ReadonlyMap<string, End>): DescribedStep[] {
  const ordered: DescribedStep[] = []
  let waiting = [...steps]
  while (waiting.length > 0) {
    const isWaited = (tensor: string) => waiting.some((each) => each === makers.get(tensor)?.owner)
    const next = waiting.find(({ step }) => !Object.values(step.inputs).some(isWaited))
    if (next === undefined) throw invalid(`its steps wait for each other: ${waiting.map(nameOf).join(', ')}`)
    ordered.push(next)
    waiting = waiting.filter((each) => each !== next)
  }
  return ordered
}

function join(one: End, other: End, sizes: Sizes): void {
  const [a, b] = [one.signature, other.signature]
  const clash = (has: string, wants: string) =>
    invalid(`"${one.tensor}" is ${has} in ${nameOf(one.owner)} and ${wants} in ${nameOf(other.owner)}`)
  if (a.datatype !== b.datatype) throw clash(a.datatype, b.datatype)
  if (a.shape === undefined || b.shape === undefined) return
  const differ = clash(`[${a.shape}]`, `[${b.shape}]`)
  if (a.shape.length !== b.shape.length) throw differ
  for (const [axis, dimension] of a.shape.entries()) {
    const isOne = sizes.join([one.owner, dimension], [other.owner, b.shape[axis] ?? -1])
    if (!isOne) throw differ
  }
}

function signatureOf({ tensor, owner, signature }: End, sizes: Sizes): TensorSignature {
  const { datatype, shape } = signature
  return { name: tensor, datatype, ...(shape && { shape: shape.map((each) => sizes.resolve([owner, each])) }) }
}

/** Of each input, those that the first of its takers has for it; none where two bear one name or a record cannot be laid out. */
function featuresOf(outer: readonly End[], signature: EnsembleSignature): Pick<EnsembleSignature, 'features'> {
  const byTensor = new Map<string, Feature[]>()
  for (const { tensor, owner, signature } of outer) {
    const own = owner.description.features?.filter(({ input }) => input === signature.name) ?? []
    if (own.length > 0 && !byTensor.has(tensor))
      byTensor.set(
        tensor,
        own.map((each) => ({ ...each, input: tensor })),
      )
  }
  const features = [...byTensor.values()].flat()
  const names = new Set(features.map(({ name }) => name))
  if (features.length === 0 || names.size < features.length) return {}
  return canBeLaidOut(describeEnsemble({ ...signature, features })) ? { features } : {}
}

function canBeLaidOut(description: Description): boolean {
  try {
    return inputLayouts(description).length === description.inputs.length
  } catch (thrown) {
    if (thrown instanceof SelvedgeError) return false
    throw thrown
  }
}

function outputOf(outputs: readonly string[], makers: ReadonlyMap<string, End>): Pick<EnsembleSignature, 'output'> {
  for (const tensor of outputs) {
    const maker = makers.get(tensor)
    const output = maker?.owner.description.output
    if (output !== undefined && output.tensor === maker?.signature.name) return { output: { ...output, tensor } }
  }
  return {}
}

// What one of its takers knows, all must heed.
function narrowed(a: TensorSignature, b: TensorSignature): TensorSignature {
  if (a.shape === undefined || b.shape === undefined) return a.shape === undefined ? b : a
  return { ...a, shape: a.shape.map((size, axis) => (size === -1 ? (b.shape?.[axis] ?? -1) : size)) }
}

// Rows may depend on each other inside of one step, whatever stands at the border.
function isBatchableThroughout(steps: readonly DescribedStep[], sizes: Sizes): boolean {
  const axes = steps.map((each) => {
    const axis = each.description.inputs[0]?.shape?.[0]
    return hasBatchAxis(each.description) && axis !== undefined ? sizes.resolve([each, axis]) : undefined
  })
  return axes.every((axis) => typeof axis === 'string' && axis === axes[0])
}

function withoutSymbols({ inputs, outputs }: Pick<Composed, 'inputs' | 'outputs'>) {
  const free = (size: Dimension) => (typeof size === 'string' ? -1 : size)
  const freed = (all: readonly TensorSignature[]) =>
    all.map((each): TensorSignature => ({ ...each, ...(each.shape && { shape: each.shape.map(free) }) }))
  return { inputs: freed(inputs), outputs: freed(outputs) }
}

function nameOf({ step }: DescribedStep): string {
  return `${step.model}@${step.version}`
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ')
}

function invalid(why: string): SelvedgeError {
  return new SelvedgeError('ENSEMBLE_INVALID', `the ensemble cannot be served: ${why}`)
}
