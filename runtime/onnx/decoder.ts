/**
 * Reads protobuf's wire format (protobuf.dev/programming-guides/encoding) by a {@link Grammar}, over windows of bytes,
 * with an explicit stack.
 *
 *     message := field*                 field := tag value
 *     tag     := varint(number << 3 | wire)
 *     value   := varint (wire 0) | 8 bytes (1) | varint(length) bytes (2) | 4 bytes (5)
 *
 * Stricter than protobuf where two readers could see different models: a second value of a field that holds one
 * message, and a known field with another wire type, are refused.
 */
import { SelvedgeError } from '../errors.ts'
import type { Counted, Field, Form, Grammar, Kind, Span } from './grammar.ts'

export type Message = Record<string, unknown>

/** What the caller hears of; neither is called for what is skipped. */
export interface Listener {
  /** `field` is that of the parent; absent for the root. */
  enter(kind: Kind, field?: string): void
  /** Gives what the parent keeps for the message; undefined keeps nothing. */
  leave(kind: Kind, message: Message): unknown
}

/** The decoder asks for `length` bytes or more from `offset` on; it gets fewer only at the end. */
export interface Need {
  offset: number
  length: number
}

// Larger than any tag with its value or length, and small against a file.
const windowBytes = 64 * 1024
const textBytes = 64 * 1024
const spanBytes = 256
const headLength = 32
// Bounds memory, which repeated two-byte fields would otherwise multiply; a model at every other limit stays below.
const keptValues = 2_000_000

const varint = 0
const eightBytes = 1
const delimited = 2
const fourBytes = 5

const wires: Readonly<Record<Form, number>> = {
  integer: varint,
  integers: varint,
  float: fourBytes,
  floats: fourBytes,
  doubles: eightBytes,
  text: delimited,
  texts: delimited,
  bytes: delimited,
  chunks: delimited,
  message: delimited,
  messages: delimited,
}

interface Frame {
  kind: Kind
  end: number
  message: Message
  /** The field of the parent that it fills. */
  field: Field | undefined
}

interface Cursor {
  window: Uint8Array
  /** Offset of the window in the whole. */
  start: number
  at: number
  utf8: { decode(bytes: Uint8Array): string }
}

/**
 * @throws {@link SelvedgeError} `MODEL_INVALID` for bytes that are no such message, `MODEL_LIMIT` for texts over 64 KiB
 * and for more than two million values that would have to be kept
 */
export function* decode(
  size: number,
  grammar: Grammar,
  root: Kind,
  listener: Listener,
): Generator<Need, unknown, Uint8Array> {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const cursor: Cursor = { window: new Uint8Array(), start: 0, at: 0, utf8 }
  const stack: Frame[] = []
  let kept = 0
  let frame = open(root, size, undefined)

  for (;;) {
    if (cursor.at === frame.end) {
      const value = listener.leave(frame.kind, frame.message)
      const parent = stack.pop()
      if (parent === undefined) return value
      if (frame.field && value !== undefined) put(parent.message, frame.field, value)
      frame = parent
      continue
    }
    // 5 bytes of a tag and 10 of a value or length.
    if (cursor.at + 15 > cursor.start + cursor.window.length) yield* fill(cursor, 15, size)
    const tag = readVarint(cursor, frame.end)
    const number = Math.floor(tag / 8)
    const wire = tag % 8
    if (tag < 0 || number < 1 || number > 0x1fffffff) throw invalid(cursor, `field number ${number}`)
    const field = grammar[frame.kind][number]
    if (field && wire !== wires[field.form] && !(wire === delimited && isNumbers(field.form))) {
      throw invalid(cursor, `${frame.kind}.${field.name} with wire type ${wire}`)
    }

    if (wire === varint) {
      const value = readVarint(cursor, frame.end)
      if (field?.form === 'integer') frame.message[field.name] = value
      else if (field) count(frame.message[field.name] as Counted, value)
      continue
    }
    const length = wire === delimited ? readVarint(cursor, frame.end) : fixedLength(cursor, wire)
    const end = cursor.at + length
    if (length < 0 || end > frame.end) {
      throw invalid(cursor, `${length} bytes announced where ${frame.end - cursor.at} are left`)
    }
    if (field === undefined || field.form === 'float') {
      cursor.at = end
    } else if (field.form === 'message' || field.form === 'messages') {
      keep()
      if (frame.message[field.name] !== undefined && field.form === 'message') {
        throw invalid(cursor, `a second ${frame.kind}.${field.name}`)
      }
      stack.push(frame)
      frame = open(field.of as Kind, end, field)
    } else if (field.form === 'text' || field.form === 'texts') {
      keep()
      if (length > textBytes) {
        throw new SelvedgeError(
          'MODEL_LIMIT',
          `${frame.kind}.${field.name} has ${length} bytes, at most ${textBytes} are read`,
        )
      }
      if (end > cursor.start + cursor.window.length) yield* fill(cursor, length, size)
      put(frame.message, field, readText(cursor, length))
    } else if (field.form === 'bytes') {
      if (length <= spanBytes && end > cursor.start + cursor.window.length) yield* fill(cursor, length, size)
      const from = cursor.at - cursor.start
      const head = length <= spanBytes ? cursor.window.subarray(from, from + length) : undefined
      frame.message[field.name] = { bytes: length, head } satisfies Span
      cursor.at = end
    } else if (field.form === 'chunks') {
      ;(frame.message[field.name] as Counted).count++
      cursor.at = end
    } else {
      yield* countNumbers(cursor, field.form, frame.message[field.name] as Counted, end, size)
    }
  }

  function open(kind: Kind, end: number, field: Field | undefined): Frame {
    listener.enter(kind, field?.name)
    return { kind, end, field, message: blank(grammar, kind) }
  }

  function keep(): void {
    if (++kept > keptValues) {
      throw new SelvedgeError('MODEL_LIMIT', `more than ${keptValues} names and attributes`, { limit: keptValues })
    }
  }
}

/** Decodes bytes that are all there. */
export function decodeAll<T>(decoding: Generator<Need, T, Uint8Array>, bytes: Uint8Array): T {
  let step = decoding.next()
  while (!step.done) step = decoding.next(bytes.subarray(step.value.offset))
  return step.value
}

/** Decodes what `read` gives, a window at a time; payloads of tensors are passed over without being read. */
export async function decodeWindows<T>(
  decoding: Generator<Need, T, Uint8Array>,
  read: (offset: number, length: number) => Promise<Uint8Array>,
): Promise<T> {
  let step = decoding.next()
  while (!step.done) step = decoding.next(await read(step.value.offset, step.value.length))
  return step.value
}

function* fill(cursor: Cursor, length: number, size: number): Generator<Need, void, Uint8Array> {
  const wanted = Math.min(length, size - cursor.at)
  if (cursor.at + wanted <= cursor.start + cursor.window.length) return
  cursor.window = yield { offset: cursor.at, length: Math.min(Math.max(length, windowBytes), size - cursor.at) }
  cursor.start = cursor.at
  if (cursor.window.length < wanted) throw invalid(cursor, `the end after ${cursor.window.length} of ${wanted} bytes`)
}

/** 64 bits, two's complement; past 2^53 the nearest number that a double can hold. */
function readVarint(cursor: Cursor, end: number): number {
  const { window, start } = cursor
  let at = cursor.at - start
  const stop = Math.min(end - start, window.length)
  let low = 0
  let high = 0
  for (let shift = 0; shift < 70; shift += 7) {
    if (at >= stop) throw invalid(cursor, 'a number that is cut off')
    const byte = window[at++] as number
    const bits = byte & 0x7f
    if (shift < 28) low |= bits << shift
    else if (shift === 28) {
      low |= bits << 28
      high = bits >> 4
    } else high |= bits << (shift - 32)
    if (byte < 0x80) {
      cursor.at = start + at
      return high * 2 ** 32 + (low >>> 0)
    }
  }
  throw invalid(cursor, 'a number of more than 10 bytes')
}

function fixedLength(cursor: Cursor, wire: number): number {
  if (wire === eightBytes) return 8
  if (wire === fourBytes) return 4
  throw invalid(cursor, `wire type ${wire}`)
}

function readText(cursor: Cursor, length: number): string {
  const from = cursor.at - cursor.start
  try {
    const text = cursor.utf8.decode(cursor.window.subarray(from, from + length))
    cursor.at += length
    return text
  } catch (cause) {
    throw new SelvedgeError('MODEL_INVALID', `byte ${cursor.at}: a name that is not UTF-8`, {}, { cause })
  }
}

/** Repeated numbers packed into one field. */
function* countNumbers(
  cursor: Cursor,
  form: Form,
  into: Counted,
  end: number,
  size: number,
): Generator<Need, void, Uint8Array> {
  if (form !== 'integers') {
    const width = form === 'floats' ? 4 : 8
    if ((end - cursor.at) % width !== 0) throw invalid(cursor, `${end - cursor.at} bytes of ${width}-byte numbers`)
    into.count += (end - cursor.at) / width
    cursor.at = end
    return
  }
  while (cursor.at < end) {
    if (cursor.at + 10 > cursor.start + cursor.window.length) yield* fill(cursor, 10, size)
    count(into, readVarint(cursor, end))
  }
}

function count(into: Counted, value: number): void {
  into.count++
  if (into.head.length < headLength) into.head.push(value)
}

function put(message: Message, field: Field, value: unknown): void {
  const list = message[field.name]
  if (Array.isArray(list)) list.push(value)
  else message[field.name] = value
}

function isNumbers(form: Form): boolean {
  return form === 'integers' || form === 'floats' || form === 'doubles'
}

function blank(grammar: Grammar, kind: Kind): Message {
  const message: Message = {}
  for (const { name, form } of Object.values(grammar[kind])) {
    if (form === 'texts' || form === 'messages') message[name] = []
    else if (form === 'chunks' || isNumbers(form)) message[name] = { count: 0, head: [] } satisfies Counted
  }
  return message
}

function invalid(cursor: Cursor, came: string): SelvedgeError {
  return new SelvedgeError('MODEL_INVALID', `no ONNX model: at byte ${cursor.at} came ${came}`)
}
