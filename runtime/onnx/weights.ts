/** TensorProto: what a tensor inside a model declares, and whether the bytes that are there agree. */
import { SelvedgeError } from '../errors.ts'
import { type OnnxDatatype, onnxDatatypes } from './datatype.ts'
import type { Counted, Span } from './grammar.ts'

export interface ExternalData {
  /** Of the tensor. */
  name: string
  location: string
  offsetBytes: number
  lengthBytes: number
}

export interface OnnxTensor {
  name: string
  datatype: OnnxDatatype
  dims: number[]
  /** By datatype and dims; of text the bytes are not declared: 0. */
  declaredBytes: number
  external?: ExternalData
  /** At most 32 integers of an int64 tensor, such as the shape that another operator takes. */
  integers?: number[]
}

export interface TensorMessage {
  name?: string
  dataType?: number
  dims: Counted
  floats: Counted
  doubles: Counted
  int32s: Counted
  int64s: Counted
  uint64s: Counted
  strings: Counted
  raw?: Span
  external: { key?: string; value?: string }[]
  location?: number
}

/**
 * @param allowed - declared files of external data: path → bytes
 * @throws {@link SelvedgeError} `MODEL_INVALID` where declared and real size differ, `EXTERNAL_DATA` for a reference to
 * a file that was not declared or past its end
 */
export function readTensor(message: TensorMessage, allowed: ReadonlyMap<string, number>): OnnxTensor {
  const name = message.name ?? ''
  const datatype = onnxDatatypes[message.dataType ?? 0]
  if (datatype === undefined) {
    throw invalid(name, `datatype ${message.dataType ?? 0}, which ONNX does not have`)
  }
  const dims = readDims(name, message.dims)
  const elements = dims.reduce((product, dim) => product * dim, 1)
  const declaredBytes = Math.ceil((elements * datatype.bits) / 8)
  if (!Number.isSafeInteger(elements) || !Number.isSafeInteger(declaredBytes)) {
    throw invalid(name, `shape [${dims}], whose size no machine holds`)
  }
  const tensor: OnnxTensor = { name, datatype, dims, declaredBytes }
  if (message.location === 1 || message.external.length > 0) {
    tensor.external = readExternal(name, message, datatype, declaredBytes, allowed)
    return tensor
  }
  if (message.raw && datatype.bits > 0) {
    if (message.raw.bytes !== declaredBytes) {
      throw invalid(name, `${message.raw.bytes} bytes for ${datatype.name} [${dims}], want ${declaredBytes}`)
    }
  } else {
    const wanted = slotsOf(datatype, elements)
    const { count } = message[datatype.field]
    if (count !== wanted) throw invalid(name, `${count} values for ${datatype.name} [${dims}], want ${wanted}`)
  }
  if (datatype.name === 'int64' && elements <= 32) tensor.integers = readIntegers(message)
  return tensor
}

function readDims(name: string, { count, head }: Counted): number[] {
  if (count > head.length) throw invalid(name, `${count} dimensions, at most ${head.length}`)
  for (const dim of head) {
    if (!Number.isSafeInteger(dim) || dim < 0) throw invalid(name, `shape [${head}], want sizes of at least 0`)
  }
  return head
}

// A complex number takes two values; elements of fewer than 8 bits share one.
function slotsOf(datatype: OnnxDatatype, elements: number): number {
  if (datatype.name.startsWith('complex')) return 2 * elements
  return datatype.bits > 0 && datatype.bits < 8 ? Math.ceil((elements * datatype.bits) / 8) : elements
}

function readIntegers({ raw, int64s }: TensorMessage): number[] {
  if (raw?.head === undefined) return int64s.head
  const view = new DataView(raw.head.buffer, raw.head.byteOffset, raw.bytes)
  return Array.from({ length: raw.bytes / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)))
}

const externalKeys = ['location', 'offset', 'length', 'checksum']

function readExternal(
  name: string,
  message: TensorMessage,
  datatype: OnnxDatatype,
  declaredBytes: number,
  allowed: ReadonlyMap<string, number>,
): ExternalData {
  const entries = new Map<string, string>()
  for (const { key = '', value = '' } of message.external) {
    if (!externalKeys.includes(key) || entries.has(key)) throw refused(name, `the key "${key}" or says it twice`)
    entries.set(key, value)
  }
  const location = entries.get('location') ?? ''
  const fileBytes = isPlain(location) ? allowed.get(location) : undefined
  if (fileBytes === undefined) throw refused(name, `the file "${location}", which was not pushed with the model`)
  if (datatype.bits === 0) throw refused(name, 'text, which cannot lie outside of the model')
  const offsetBytes = readSize(name, entries.get('offset') ?? '0')
  const lengthBytes = readSize(name, entries.get('length') ?? String(declaredBytes))
  if (lengthBytes !== declaredBytes) {
    throw refused(name, `${lengthBytes} bytes of "${location}", want ${declaredBytes}`)
  }
  if (offsetBytes + lengthBytes > fileBytes) {
    throw refused(name, `bytes ${offsetBytes} to ${offsetBytes + lengthBytes} of "${location}", which has ${fileBytes}`)
  }
  return { name, location, offsetBytes, lengthBytes }
}

// A path inside the version and nothing that a file system reads otherwise: no drive, no way up, no absolute path.
function isPlain(location: string): boolean {
  return /^[^\\:*\0]+$/.test(location) && location.split('/').every((part) => !['', '.', '..'].includes(part))
}

function readSize(name: string, text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw refused(name, `offset or length "${text}", want a number of bytes`)
  return Number(text)
}

function invalid(name: string, came: string): SelvedgeError {
  return new SelvedgeError('MODEL_INVALID', `tensor "${name}" has ${came}`, { tensor: name })
}

function refused(name: string, came: string): SelvedgeError {
  return new SelvedgeError('EXTERNAL_DATA', `tensor "${name}" refers to ${came}`, { tensor: name })
}
