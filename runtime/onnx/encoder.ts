/** Writes protobuf's wire format by a {@link Grammar}: the inverse of `decoder.ts`. Fields go in the order of their numbers. */
import type { Field, Grammar, Kind } from './grammar.ts'

/**
 * Plain objects by the names of the grammar: numbers for `integer` and `float`, number[] for their repeated forms,
 * Uint8Array for `bytes`, Uint8Array[] for `chunks`. What is absent is not written.
 */
export function encode(grammar: Grammar, kind: Kind, message: Readonly<Record<string, unknown>>): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [number, field] of Object.entries(grammar[kind])) {
    const value = message[field.name]
    if (value !== undefined) encodeField(grammar, Number(number), field, value, parts)
  }
  return concat(parts)
}

function encodeField(grammar: Grammar, number: number, field: Field, value: unknown, parts: Uint8Array[]): void {
  const delimited = (bytes: Uint8Array): void => {
    parts.push(encodeVarint(number * 8 + 2), encodeVarint(bytes.length), bytes)
  }
  const child = (one: unknown): Uint8Array => encode(grammar, field.of as Kind, one as Record<string, unknown>)
  switch (field.form) {
    case 'integer':
      parts.push(encodeVarint(number * 8), encodeVarint(value as number))
      break
    case 'float':
      parts.push(encodeVarint(number * 8 + 5), encodeFloats([value as number]))
      break
    case 'integers':
      if ((value as number[]).length > 0) delimited(concat((value as number[]).map(encodeVarint)))
      break
    case 'floats':
      if ((value as number[]).length > 0) delimited(encodeFloats(value as number[]))
      break
    case 'doubles':
      if ((value as number[]).length > 0) delimited(encodeDoubles(value as number[]))
      break
    case 'text':
      delimited(new TextEncoder().encode(value as string))
      break
    case 'texts':
      for (const text of value as string[]) delimited(new TextEncoder().encode(text))
      break
    case 'bytes':
      delimited(value as Uint8Array)
      break
    case 'chunks':
      for (const chunk of value as Uint8Array[]) delimited(chunk)
      break
    case 'message':
      delimited(child(value))
      break
    case 'messages':
      for (const one of value as unknown[]) delimited(child(one))
  }
}

/** Of a signed 64-bit integer that a double holds exactly. */
export function encodeVarint(value: number): Uint8Array {
  if (value >= 0 && value < 0x80) return Uint8Array.of(value)
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}

function encodeFloats(values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length))
  values.forEach((value, i) => {
    view.setFloat32(4 * i, value, true)
  })
  return new Uint8Array(view.buffer)
}

function encodeDoubles(values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * values.length))
  values.forEach((value, i) => {
    view.setFloat64(8 * i, value, true)
  })
  return new Uint8Array(view.buffer)
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
