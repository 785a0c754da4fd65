/** ONNX's backend test data: `model.onnx` beside `test_data_set_0/{input,output}_<i>.pb`, each a TensorProto. */
import { onnx } from 'onnx-proto'
import { onnxDatatypes } from '../../../runtime/onnx/datatype.ts'
import { readModel } from '../../../runtime/onnx/reader.ts'
import { createTensor, datatypeFacts, type Tensor, type Tensors } from '../../../runtime/tensor/tensor.ts'

export interface BackendCase {
  network: Uint8Array
  inputs: Tensors
  /** By name, all outputs of the model. */
  expected: Tensors
}

/** @param read - gives a file of the model's folder by its path there */
export async function readCase(read: (path: string) => Promise<Uint8Array>): Promise<BackendCase> {
  const network = await read('model.onnx')
  const model = readModel(network)

  async function readTensors(values: readonly { name: string }[], kind: 'input' | 'output'): Promise<Tensors> {
    const tensors = values.map(async ({ name }, i) => {
      return [name, decodeTensor(await read(`test_data_set_0/${kind}_${i}.pb`))] as const
    })
    return Object.fromEntries(await Promise.all(tensors))
  }

  return {
    network,
    inputs: await readTensors(model.inputs, 'input'),
    expected: await readTensors(model.outputs, 'output'),
  }
}

/**
 * What is wrong with the outputs, a line each: floats may differ by `atol + rtol × |expected|` with the tolerances of
 * ONNX's own runner (onnx/backend/base.py: rtol 1e-3, atol 1e-7), everything else is equal.
 */
export function differences(outputs: Tensors, expected: Tensors): string[] {
  const lines: string[] = []
  const names = new Set([...Object.keys(expected), ...Object.keys(outputs)])
  for (const name of names) {
    const got = outputs[name]
    const want = expected[name]
    if (got === undefined || want === undefined) lines.push(`${name}: ${got === undefined ? 'missing' : 'not wanted'}`)
    else if (typeOf(got) !== typeOf(want)) lines.push(`${name}: got ${typeOf(got)}, want ${typeOf(want)}`)
    else {
      for (const [i, value] of want.data.entries()) {
        const other = got.data[i]
        if (!isNear(other, value)) lines.push(`${name}[${i}]: got ${other}, want ${value}`)
      }
    }
  }
  return lines
}

function decodeTensor(bytes: Uint8Array): Tensor {
  const { dataType, dims, rawData, stringData } = onnx.TensorProto.decode(bytes)
  const datatype = onnxDatatypes[dataType]?.datatype
  if (datatype === undefined) throw new Error(`a tensor of ONNX datatype ${dataType}`)
  const shape = dims.map(Number)
  if (datatype === 'BYTES') {
    const texts = stringData.map((text) => new TextDecoder().decode(text))
    return createTensor(datatype, shape, texts)
  }
  // A copy, since a view of another file's middle need not be aligned.
  const { buffer } = Uint8Array.from(rawData)
  return createTensor(datatype, shape, new datatypeFacts[datatype].array(buffer) as never)
}

function typeOf({ datatype, shape }: Tensor): string {
  return `${datatype}[${shape}]`
}

function isNear(got: unknown, want: unknown): boolean {
  if (Object.is(got, want) || got === want) return true
  if (typeof got !== 'number' || typeof want !== 'number') return false
  return Math.abs(got - want) <= 1e-7 + 1e-3 * Math.abs(want)
}
