/**
 * Tensor data as JSON (Open Inference Protocol v2, "Tensor Data"): row-major, flat or nested as the shape is.
 *
 * FP16, FP32 and FP64 are numbers or the strings "NaN", "Infinity", "-Infinity"; BOOL is true or false; INT64 and
 * UINT64 are numbers, or strings of digits for senders whose numbers end at 2^53.
 */
import type { Datatype } from '../contract/datatype.ts'
import { SelvedgeError } from '../errors.ts'
import { decodeFloat16, encodeFloat16 } from '../tensor/float16.ts'
import { createTensor, type DataOf, datatypeFacts, elementCount, type Tensor } from '../tensor/tensor.ts'
import type { BytesWriter } from './bytes-writer.ts'

/**
 * @param name - of the input or output, for messages
 * @throws {@link SelvedgeError} `TENSOR_INVALID` for values that do not fit datatype or shape: nothing wraps, nothing is
 * rounded to an integer
 */
export function decodeJsonTensor(name: string, datatype: Datatype, shape: readonly number[], data: unknown): Tensor {
  const values = flatten(name, shape, data)
  return decoders[datatype](name, shape, values)
}

export function isLong(datatype: Datatype): boolean {
  return datatype === 'INT64' || datatype === 'UINT64'
}

/** True where a 64-bit integer came as a number that a double cannot hold: it then has to be read in quotes. */
export function losesInteger(datatype: Datatype, data: unknown): boolean {
  if (!isLong(datatype)) return false
  if (Array.isArray(data)) return data.some((value) => losesInteger(datatype, value))
  return typeof data === 'number' && Number.isInteger(data) && !Number.isSafeInteger(data)
}

/** Writes the data of a tensor as one flat array. */
export function writeJsonTensor(tensor: Tensor, writer: BytesWriter): void {
  writer.text('[')
  if (tensor.datatype === 'FP32') writer.float32s(tensor.data)
  else if (tensor.datatype === 'FP16') writer.float32s(Float32Array.from(tensor.data, decodeFloat16))
  else writer.text(jsonItems(tensor))
  writer.text(']')
}

type Decode = (name: string, shape: readonly number[], values: readonly unknown[]) => Tensor

const decoders: Record<Datatype, Decode> = {
  BOOL: (name, shape, values) =>
    createTensor(
      'BOOL',
      shape,
      Uint8Array.from(values, (value) => {
        if (typeof value !== 'boolean') throw refusal(name, 'BOOL', value, 'true or false')
        return value ? 1 : 0
      }),
    ),
  UINT8: integers('UINT8', 0, 0xff),
  UINT16: integers('UINT16', 0, 0xffff),
  UINT32: integers('UINT32', 0, 0xffffffff),
  UINT64: longIntegers('UINT64', 0n, 2n ** 64n - 1n),
  INT8: integers('INT8', -0x80, 0x7f),
  INT16: integers('INT16', -0x8000, 0x7fff),
  INT32: integers('INT32', -0x80000000, 0x7fffffff),
  INT64: longIntegers('INT64', -(2n ** 63n), 2n ** 63n - 1n),
  FP16: (name, shape, values) => {
    const data = new Uint16Array(values.length)
    for (let i = 0; i < data.length; i++) {
      const bits = encodeFloat16(floatValue(name, 'FP16', values[i]))
      if ((bits & 0x7fff) === 0x7c00 && typeof values[i] === 'number') {
        throw refusal(name, 'FP16', values[i], 'a number from -65504 to 65504')
      }
      data[i] = bits
    }
    return createTensor('FP16', shape, data)
  },
  FP32: (name, shape, values) => {
    const data = new Float32Array(values.length)
    for (let i = 0; i < data.length; i++) {
      const value = values[i]
      data[i] = typeof value === 'number' ? value : floatValue(name, 'FP32', value)
      if (!Number.isFinite(data[i]) && typeof value === 'number') {
        throw refusal(name, 'FP32', value, 'a number up to 3.4028235e38')
      }
    }
    return createTensor('FP32', shape, data)
  },
  FP64: (name, shape, values) => {
    const data = Float64Array.from(values, (value) => {
      const number = floatValue(name, 'FP64', value)
      // JSON has no infinity: the text held a number over the largest double.
      if (value === number && !Number.isFinite(number)) {
        throw refusal(name, 'FP64', value, 'a number up to 1.7976931348623157e308')
      }
      return number
    })
    return createTensor('FP64', shape, data)
  },
  BYTES: (name, shape, values) => {
    const data = values.map((value, i) => {
      if (typeof value !== 'string') throw refusal(name, 'BYTES', value, 'a string')
      if (!value.isWellFormed()) {
        throw new SelvedgeError('TENSOR_INVALID', `"${name}": string ${i} holds half a surrogate pair`, {
          tensor: name,
        })
      }
      return value
    })
    return createTensor('BYTES', shape, data)
  },
}

function integers(datatype: 'UINT8' | 'UINT16' | 'UINT32' | 'INT8' | 'INT16' | 'INT32', least: number, most: number) {
  const decode: Decode = (name, shape, values) => {
    const data = new datatypeFacts[datatype].array(values.length)
    for (let i = 0; i < data.length; i++) {
      const value = values[i]
      if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
        throw refusal(name, datatype, value, `integers from ${least} to ${most}`)
      }
      data[i] = value
    }
    return createTensor(datatype, shape, data)
  }
  return decode
}

function longIntegers(datatype: 'UINT64' | 'INT64', least: bigint, most: bigint) {
  const decode: Decode = (name, shape, values) => {
    const data: DataOf[typeof datatype] = new datatypeFacts[datatype].array(values.length)
    for (let i = 0; i < data.length; i++) {
      const value = longInteger(values[i])
      if (value === undefined || value < least || value > most) {
        throw refusal(name, datatype, values[i], `integers from ${least} to ${most}`)
      }
      data[i] = value
    }
    return createTensor<'UINT64' | 'INT64'>(datatype, shape, data)
  }
  return decode
}

function longInteger(value: unknown): bigint | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  return typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? BigInt(value) : undefined
}

function floatValue(name: string, datatype: Datatype, value: unknown): number {
  if (typeof value === 'number') return value
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value)
  throw refusal(name, datatype, value, 'numbers or the strings "NaN", "Infinity", "-Infinity"')
}

function refusal(name: string, datatype: Datatype, value: unknown, wanted: string): SelvedgeError {
  const got = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : describe(value)
  return new SelvedgeError('TENSOR_INVALID', `"${name}" is ${datatype}: got ${got}, want ${wanted}`, { tensor: name })
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'an array deeper than the shape'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

function flatten(name: string, shape: readonly number[], data: unknown): readonly unknown[] {
  const size = elementCount(shape)
  if (!Array.isArray(data)) throw new SelvedgeError('TENSOR_INVALID', `"${name}" has no array "data"`, { tensor: name })
  if (!Array.isArray(data[0])) {
    if (data.length === size) return data
    throw mismatch(name, shape, `${data.length} values`, `${size}`)
  }
  const into: unknown[] = []
  collect(name, shape, 0, data, into)
  return into
}

function collect(name: string, shape: readonly number[], axis: number, data: unknown, into: unknown[]): void {
  const length = shape[axis]
  if (!Array.isArray(data) || data.length !== length) {
    const got = Array.isArray(data) ? `${data.length} items` : 'no array'
    throw mismatch(name, shape, `${got} on axis ${axis}`, `${length}`)
  }
  if (axis === shape.length - 1) {
    for (const value of data) into.push(value)
    return
  }
  for (const part of data) collect(name, shape, axis + 1, part, into)
}

function mismatch(name: string, shape: readonly number[], got: string, want: string): SelvedgeError {
  return new SelvedgeError('TENSOR_INVALID', `"${name}" of shape [${shape}]: got ${got}, want ${want}`, {
    tensor: name,
  })
}

function jsonItems(tensor: Exclude<Tensor, { datatype: 'FP16' | 'FP32' }>): string {
  switch (tensor.datatype) {
    case 'BOOL':
      return Array.from(tensor.data, (value) => (value === 0 ? 'false' : 'true')).join(',')
    case 'FP64':
      return Array.from(tensor.data, jsonNumber).join(',')
    case 'BYTES':
      return tensor.data.map((text) => JSON.stringify(text)).join(',')
    default:
      return tensor.data.join(',')
  }
}

function jsonNumber(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`
  return Object.is(value, -0) ? '-0' : String(value)
}
