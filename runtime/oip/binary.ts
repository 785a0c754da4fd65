/**
 * Tensor data as bytes (Triton's binary tensor data extension): little-endian, row-major, without padding.
 *
 * BOOL is a byte of 0 or 1; an element of BYTES is its length as 4 bytes and its UTF-8. Every host of ONNX Runtime is
 * little-endian, so numbers are copied as they lie in memory.
 */
import type { Datatype } from '../contract/datatype.ts'
import { SelvedgeError } from '../errors.ts'
import { createTensor, datatypeFacts, elementCount, type Tensor } from '../tensor/tensor.ts'

/**
 * A tensor from exactly these bytes; it shares their memory where they are aligned.
 *
 * @throws {@link SelvedgeError} `TENSOR_INVALID` where the bytes do not fit datatype and shape, for a BOOL other than 0
 * and 1, for BYTES that are no UTF-8
 */
export function decodeBinaryTensor(
  name: string,
  datatype: Datatype,
  shape: readonly number[],
  bytes: Uint8Array,
): Tensor {
  const count = elementCount(shape)
  if (datatype === 'BYTES') return createTensor('BYTES', shape, decodeTexts(name, count, bytes))
  const { bytes: elementBytes, array } = datatypeFacts[datatype]
  if (bytes.length !== count * elementBytes) {
    throw new SelvedgeError(
      'TENSOR_INVALID',
      `"${name}" is ${datatype} of shape [${shape}]: got ${bytes.length} bytes, want ${count * elementBytes}`,
      { tensor: name },
    )
  }
  if (datatype === 'BOOL' && bytes.some((byte) => byte > 1)) {
    throw new SelvedgeError('TENSOR_INVALID', `"${name}" is BOOL: got a byte other than 0 and 1`, { tensor: name })
  }
  // Not by slice(): that of Node's Buffer copies nothing.
  const aligned = bytes.byteOffset % elementBytes === 0 ? bytes : new Uint8Array(bytes)
  // The array of a datatype is the one that its Tensor holds; the table pairs them.
  const data = new array(aligned.buffer as ArrayBuffer, aligned.byteOffset, count)
  return { datatype, shape, data } as Tensor
}

/** The one element of a raw request of BYTES: its bare text, without a length before it. */
export function decodeText(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new SelvedgeError(
      'TENSOR_INVALID',
      `"${name}" is BYTES: got bytes that are not UTF-8`,
      { tensor: name },
      { cause },
    )
  }
}

/** The bytes of a tensor; they share its memory where that can be. */
export function encodeBinaryTensor(tensor: Tensor): Uint8Array {
  if (tensor.datatype === 'BYTES') return encodeTexts(tensor.data)
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength)
}

const lengthBytes = 4

function decodeTexts(name: string, count: number, bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const texts: string[] = []
  let at = 0
  while (at < bytes.length && texts.length < count) {
    const start = at + lengthBytes
    const end = start <= bytes.length ? start + view.getUint32(at, true) : Number.POSITIVE_INFINITY
    if (end > bytes.length) throw wrongCount(name, count, `element ${texts.length} cut off`)
    texts.push(decodeText(name, bytes.subarray(start, end)))
    at = end
  }
  if (texts.length !== count) throw wrongCount(name, count, `${texts.length} elements`)
  if (at !== bytes.length) throw wrongCount(name, count, `${bytes.length - at} bytes more`)
  return texts
}

function wrongCount(name: string, count: number, got: string): SelvedgeError {
  return new SelvedgeError('TENSOR_INVALID', `"${name}" is BYTES: got ${got}, want ${count} elements`, { tensor: name })
}

function encodeTexts(texts: readonly string[]): Uint8Array {
  const encoder = new TextEncoder()
  const parts = texts.map((text) => encoder.encode(text))
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + lengthBytes + part.length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const part of parts) {
    view.setUint32(at, part.length, true)
    bytes.set(part, at + lengthBytes)
    at += lengthBytes + part.length
  }
  return bytes
}
