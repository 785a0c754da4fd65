/** Our tensors as ONNX Runtime's and back: its `type` and `dims` stay behind this file. */
import type { Tensor as OrtTensor, TypedTensor } from 'onnxruntime-web'
import { type Datatype, datatypes } from '../contract/datatype.ts'
import { SelvedgeError } from '../errors.ts'
import type { Tensor } from '../tensor/tensor.ts'

type OrtType = OrtTensor.Type

/** What makes a tensor of the copy of ONNX Runtime that runs the session. */
export type OrtTensorConstructor = new (
  type: OrtType,
  data: OrtTensor.DataType,
  dims: readonly number[],
) => TypedTensor<OrtType>

const ortTypes = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
} as const satisfies Record<Datatype, OrtType>

const datatypeByOrtType = new Map<string, Datatype>(datatypes.map((datatype) => [ortTypes[datatype], datatype]))

/** @throws {@link SelvedgeError} `TENSOR_INVALID` for a text with U+10FFFF, which is no character */
export function encodeOrtTensor(tensor: Tensor, Constructor: OrtTensorConstructor): TypedTensor<OrtType> {
  const data = tensor.datatype === 'BYTES' ? tensor.data.map(withoutNul) : tensor.data
  return new Constructor(ortTypes[tensor.datatype], data, tensor.shape)
}

/** @throws {@link SelvedgeError} `NOT_SCORABLE` for a value that is no tensor or has none of the 13 datatypes */
export function decodeOrtTensor(name: string, value: OrtTensor): Tensor {
  const datatype = datatypeByOrtType.get(value.type)
  if (datatype === undefined) {
    throw new SelvedgeError('NOT_SCORABLE', `output ${name} is ${value.type ?? 'no tensor'}, want a tensor`, {
      output: name,
    })
  }
  if (datatype === 'BYTES') {
    const texts = (value.data as string[]).map((text) => text.replaceAll(standIn, nul))
    return { datatype, shape: [...value.dims], data: texts }
  }
  const { data } = value
  // Hosts with Float16Array give that; the bits are the same.
  const bits =
    datatype === 'FP16' && ArrayBuffer.isView(data)
      ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
      : data
  return { datatype, shape: [...value.dims], data: bits } as Tensor
}

const nul = '\0'
const standIn = '\u{10ffff}'

// ONNX Runtime's JavaScript hands texts over as C does, which ends them at NUL: a noncharacter goes in its place.
function withoutNul(text: string): string {
  if (text.includes(standIn)) throw new SelvedgeError('TENSOR_INVALID', 'a text holds U+10FFFF, which is no character')
  return text.replaceAll(nul, standIn)
}
