/** Golden samples: a session is used only where it gives the outputs that its version gave where it was made. */
import type { Description } from './contract/description.ts'
import type { Golden } from './contract/golden.ts'
import { SelvedgeError } from './errors.ts'
import type { Queue } from './queue.ts'
import type { Session } from './session.ts'
import { createTensor, datatypeFacts, elementCount, type Tensor, type Tensors } from './tensor.ts'

type GoldenTensor = Golden['samples'][number]['inputs'][number]

/** @throws {@link SelvedgeError} `GOLDEN_MISMATCH` with the largest difference and the tensor that has it */
export async function checkGolden(session: Session, golden: Golden, queue: Queue): Promise<void> {
  for (const sample of golden.samples) {
    const inputs: Tensors = Object.fromEntries(sample.inputs.map((each) => [each.name, goldenTensor(each)]))
    const names = sample.outputs.map((each) => each.name)
    const outputs = await queue.runAlways(() => session.run(inputs, names))
    for (const wanted of sample.outputs) compare(wanted, outputs[wanted.name], golden.tolerance, session.provider)
  }
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

function compare(wanted: GoldenTensor, got: Tensor | undefined, tolerance: number, provider: string): void {
  const where = `output ${wanted.name} on ${provider}`
  if (got === undefined) throw new SelvedgeError('GOLDEN_MISMATCH', `${where} is missing`)
  if (got.datatype !== wanted.datatype || got.shape.join() !== wanted.shape.join()) {
    throw new SelvedgeError(
      'GOLDEN_MISMATCH',
      `${where}: got ${got.datatype} [${got.shape}], want ${wanted.datatype} [${wanted.shape}]`,
    )
  }
  let largest = 0
  wanted.data.forEach((value, i) => {
    const other = got.data[i]
    if (got.datatype === 'BYTES' || got.datatype === 'INT64' || got.datatype === 'UINT64') {
      if (String(value) !== String(other)) largest = Number.POSITIVE_INFINITY
      return
    }
    const difference = Math.abs(Number(value) - Number(other))
    // NaN where a number is wanted is no small difference.
    largest = Math.max(largest, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference)
  })
  if (largest > tolerance) {
    throw new SelvedgeError('GOLDEN_MISMATCH', `${where} differs by ${largest}, at most ${tolerance} allowed`, {
      largest,
    })
  }
}
