/** Golden samples: a session is used only where it gives the outputs that its version gave where it was made. */
import type { Description } from '../contract/description.ts'
import type { Golden } from '../contract/golden.ts'
import { SelvedgeError } from '../errors.ts'
import { outputTensorValues } from '../tensor/predictions.ts'
import { createTensor, datatypeFacts, elementCount, type Tensor, type Tensors } from '../tensor/tensor.ts'
import type { Queue } from './queue.ts'
import type { Session } from './session.ts'

type GoldenTensor = Golden['samples'][number]['inputs'][number]

/** How far a session's outputs are from the golden ones. */
export interface Parity {
  /** Largest absolute difference; infinite for NaN, another shape, another text. */
  largest: number
  /** Where it is, in words. */
  where: string
  /** Share of rows whose class is another one; 0 where the version names no classes. */
  flips: number
}

/** @throws {@link SelvedgeError} what the session refuses an input with */
export async function measureParity(
  session: Session,
  golden: Golden,
  queue: Queue,
  description?: Description,
): Promise<Parity> {
  const parity: Parity = { largest: 0, where: 'no output', flips: 0 }
  let rows = 0
  let flips = 0
  for (const sample of golden.samples) {
    const inputs = goldenTensors(sample.inputs)
    const outputs = await queue.runAlways(() =>
      session.run(
        inputs,
        sample.outputs.map((each) => each.name),
      ),
    )
    for (const wanted of sample.outputs) {
      const largest = difference(wanted, outputs[wanted.name])
      if (largest > parity.largest) Object.assign(parity, { largest, where: `output ${wanted.name}` })
    }
    const wanted = classesOf(description, goldenTensors(sample.outputs))
    const got = Number.isFinite(parity.largest) ? classesOf(description, outputs) : []
    rows += wanted.length
    flips += wanted.filter((name, i) => name !== got[i]).length
  }
  return { ...parity, flips: rows === 0 ? 0 : flips / rows }
}

/** @throws {@link SelvedgeError} `GOLDEN_MISMATCH` with the largest difference and the tensor that has it */
export async function checkGolden(session: Session, golden: Golden, queue: Queue): Promise<void> {
  const { largest, where } = await measureParity(session, golden, queue)
  if (largest <= golden.tolerance) return
  const message = `${where} on ${session.provider} differs by ${largest}, at most ${golden.tolerance} allowed`
  throw new SelvedgeError('GOLDEN_MISMATCH', message, { largest })
}

/** The inputs of the first golden sample, for a run of which only the time counts. */
export function goldenInputs(golden: Golden): Tensors {
  return goldenTensors(golden.samples[0]?.inputs ?? [])
}

/** Zeros for one row, where every size but the first axis is fixed; undefined where a run would have to guess. */
export function zeroInputs(description: Description): Tensors | undefined {
  const inputs: Tensors = {}
  for (const { name, datatype, shape } of description.inputs) {
    const sizes = shape?.map((size, axis) => (axis === 0 && (typeof size === 'string' || size === -1) ? 1 : size))
    if (sizes === undefined || !sizes.every((size): size is number => typeof size === 'number' && size >= 0)) return
    const length = elementCount(sizes)
    inputs[name] =
      datatype === 'BYTES'
        ? createTensor('BYTES', sizes, new Array<string>(length).fill(''))
        : ({ datatype, shape: sizes, data: new datatypeFacts[datatype].array(length) } as Tensor)
  }
  return inputs
}

function goldenTensor({ datatype, shape, data }: GoldenTensor): Tensor {
  switch (datatype) {
    case 'BYTES':
      return createTensor('BYTES', shape, data.map(String))
    case 'INT64':
    case 'UINT64': {
      const whole = data.map((value) => BigInt(value))
      return datatype === 'INT64'
        ? createTensor('INT64', shape, BigInt64Array.from(whole))
        : createTensor('UINT64', shape, BigUint64Array.from(whole))
    }
    default: {
      const numbers = datatypeFacts[datatype].array.from(data.map(Number))
      if (numbers.length !== elementCount(shape)) {
        throw new SelvedgeError('GOLDEN_MISMATCH', `a golden tensor has ${numbers.length} values for shape [${shape}]`)
      }
      return { datatype, shape, data: numbers } as Tensor
    }
  }
}

function difference(wanted: GoldenTensor, got: Tensor | undefined): number {
  if (got?.datatype !== wanted.datatype || got.shape.join() !== wanted.shape.join()) return Number.POSITIVE_INFINITY
  const isExact = got.datatype === 'BYTES' || got.datatype === 'INT64' || got.datatype === 'UINT64'
  let largest = 0
  wanted.data.forEach((value, i) => {
    const other = got.data[i]
    const apart = isExact
      ? String(value) === String(other)
        ? 0
        : Number.POSITIVE_INFINITY
      : Math.abs(Number(value) - Number(other))
    // NaN where a number is wanted is no small difference.
    largest = Math.max(largest, Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart)
  })
  return largest
}

function classesOf(description: Description | undefined, outputs: Tensors): unknown[] {
  if (description?.output?.kind !== 'classification') return []
  return outputTensorValues(description, outputs).map((row) => row.class)
}

function goldenTensors(tensors: readonly GoldenTensor[]): Tensors {
  return Object.fromEntries(tensors.map((each) => [each.name, goldenTensor(each)]))
}
