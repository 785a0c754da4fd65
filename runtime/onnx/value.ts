/** ValueInfoProto: the name and type of a graph's input or output. */
import type { Dimension } from '../contract/description.ts'
import { SelvedgeError } from '../errors.ts'
import { type OnnxDatatype, onnxDatatypes } from './datatype.ts'

export interface OnnxType {
  kind: 'tensor' | 'sparse tensor' | 'sequence' | 'map' | 'optional' | 'unknown'
  /** As ONNX writes it: `tensor(float)`, `seq(map(int64,tensor(float)))`. */
  text: string
  /** Of tensors. */
  datatype?: OnnxDatatype
  /** Of tensors; absent where even the rank is open. -1 where a dimension has neither size nor name. */
  shape?: Dimension[]
}

export interface OnnxValue {
  name: string
  type: OnnxType
}

/** TypeProto as decoded, with what it nests already read. */
export interface TypeMessage {
  tensor?: TensorTypeMessage
  sparseTensor?: TensorTypeMessage
  sequence?: { type?: OnnxType }
  optional?: { type?: OnnxType }
  map?: { key?: number; type?: OnnxType }
}

interface TensorTypeMessage {
  datatype?: number
  shape?: { dimensions: { size?: number; symbol?: string }[] }
}

const unknown: OnnxType = { kind: 'unknown', text: 'unknown' }

/** @throws {@link SelvedgeError} `MODEL_INVALID` for a type that is two things at once */
export function readType(message: TypeMessage): OnnxType {
  const { tensor, sparseTensor, sequence, optional, map } = message
  if ([tensor, sparseTensor, sequence, optional, map].filter((one) => one !== undefined).length > 1) {
    throw new SelvedgeError('MODEL_INVALID', 'a type that is two kinds of value at once')
  }
  if (tensor) return tensorType('tensor', tensor)
  if (sparseTensor) return tensorType('sparse tensor', sparseTensor)
  if (sequence) return { kind: 'sequence', text: `seq(${(sequence.type ?? unknown).text})` }
  if (optional) return { kind: 'optional', text: `optional(${(optional.type ?? unknown).text})` }
  if (map) return { kind: 'map', text: `map(${nameOf(map.key)},${(map.type ?? unknown).text})` }
  return unknown
}

function tensorType(kind: 'tensor' | 'sparse tensor', message: TensorTypeMessage): OnnxType {
  const type: OnnxType = { kind, text: `${kind.replace(' ', '_')}(${nameOf(message.datatype)})` }
  const datatype = onnxDatatypes[message.datatype ?? 0]
  if (datatype) type.datatype = datatype
  if (message.shape) type.shape = message.shape.dimensions.map(readDimension)
  return type
}

// ONNX Runtime takes a negative size for an unknown one, and so do we.
function readDimension({ size, symbol }: { size?: number; symbol?: string }): Dimension {
  if (size !== undefined) return size >= 0 ? size : -1
  return symbol ? symbol : -1
}

function nameOf(datatype: number | undefined): string {
  return onnxDatatypes[datatype ?? 0]?.name ?? `datatype ${datatype ?? 0}`
}
