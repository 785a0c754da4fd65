/**
 * All that the front and its scorers say to each other: frames over an inherited socketpair.
 *
 * ```
 * frame  = length type id metaLength meta body
 * length = u32, bytes of all that follows it
 * type   = u8, place in `frameTypes`
 * id     = u32, of the call that the frame makes or answers; 0 where there is none
 * meta   = JSON, metaLength (u32) bytes of it with the spaces behind it that bring the first tensor of the body to a
 *          multiple of 8; what kind is told by the type
 * body   = the rest: an HTTP body as it came or goes, or the bytes of model files one after the other
 * ```
 *
 * Numbers are little-endian. Both ends are the same version of this file, so a meta is not checked again.
 */
import type { Plan } from '../runtime/contract/plan.ts'
import type { ProfileReport, TelemetryReport } from '../runtime/contract/telemetry.ts'
import type { LoadedDeployment } from '../runtime/delivery/loader.ts'
import { type ErrorMessage, SelvedgeError } from '../runtime/errors.ts'
import { releaseAlone } from './release.ts'
import type { Providers, RequestMeta, ScoredAnswer } from './scoring.ts'

/** The meta of each type of frame. */
export interface FrameMeta {
  // From the front
  serve: { plan: Plan; loaded: LoadedMeta[] }
  withdraw: { endpoint: string }
  infer: RequestMeta
  score: RequestMeta
  /** The caller of request `id` went away: it need not be run any more. */
  cancel: null
  outcome: { endpoint: string; unit: string; values: Record<string, boolean | number | string> }
  /** Post what was counted, now. */
  flush: null
  /** Answers a `report`. */
  posted: ErrorMessage | null
  count: { endpoint: string }

  // From a scorer
  ready: Providers
  done: null
  failed: ErrorMessage
  answer: Omit<ScoredAnswer, 'body' | 'isAlone'>
  report: TelemetryReport
  /** A report could not be posted; it waits on. */
  unsent: ErrorMessage
  /** Answers `flush`: false where something could not be posted and waits on. */
  flushed: boolean
  /** Answers `count`. */
  counted: ReportedCounts
}

/** A LoadedDeployment whose files are in the body, in this order: the network, then its external data. */
export type LoadedMeta = Omit<LoadedDeployment, 'bytes'> & { files: { path: string; size: number }[] }

export interface ReportedCounts {
  rows: number
  at?: string | undefined
  dropped: number
  /** Of the newest report. */
  profiles: readonly ProfileReport[]
}

export type FrameType = keyof FrameMeta

/** A message of any type; the body is empty where its type has none, and `isAlone` where nothing lies beside its frame. */
export type Frame = {
  [T in FrameType]: { type: T; id: number; meta: FrameMeta[T]; body: Uint8Array; isAlone: boolean }
}[FrameType]

const frameTypes: readonly FrameType[] = [
  'serve',
  'withdraw',
  'infer',
  'score',
  'cancel',
  'outcome',
  'flush',
  'posted',
  'count',
  'ready',
  'done',
  'failed',
  'answer',
  'report',
  'unsent',
  'flushed',
  'counted',
]

const lengthBytes = 4
const headBytes = 13

/**
 * A frame as the pieces to write, in order.
 *
 * @throws {@link SelvedgeError} `MODEL_LIMIT` for model files of 4 GiB and more
 */
export function encodeFrame<T extends FrameType>(
  type: T,
  id: number,
  meta: FrameMeta[T],
  bodies: readonly Uint8Array[] = [],
): Uint8Array[] {
  const metaText = encoder.encode(JSON.stringify(meta))
  const metaLength = metaText.length + paddingOf(headBytes - lengthBytes + metaText.length + jsonBytesOf(meta))
  const length = bodies.reduce((sum, body) => sum + body.length, headBytes - lengthBytes + metaLength)
  if (length > 0xffff_ffff) throw new SelvedgeError('MODEL_LIMIT', `${length} bytes of model files, at most 4 GiB`)
  const head = new Uint8Array(headBytes + metaLength).fill(space)
  const view = new DataView(head.buffer)
  view.setUint32(0, length, true)
  view.setUint8(4, frameTypes.indexOf(type))
  view.setUint32(5, id, true)
  view.setUint32(9, metaLength, true)
  head.set(metaText, headBytes)
  return [head, ...bodies]
}

export interface FrameReader {
  /** Takes the next bytes; every frame that they complete is received before it returns. */
  push(chunk: Uint8Array): void
}

/** Frames from chunks that end anywhere. The memory of a chunk is given up: a body may share it, or it is given back. */
export function openFrameReader(receive: (frame: Frame) => void): FrameReader {
  // The begin of a frame whose length is not known yet, or a frame that is being filled.
  let head: Uint8Array = new Uint8Array(0)
  let frame: Uint8Array | undefined
  let filled = 0

  /** What of the chunk belongs to no frame that is being filled. */
  function fill(into: Uint8Array, chunk: Uint8Array): Uint8Array {
    const part = chunk.subarray(0, into.length - filled)
    into.set(part, filled)
    filled += part.length
    if (filled === into.length) {
      frame = undefined
      receive(decodeFrame(into, true))
    }
    return chunk.subarray(part.length)
  }

  return {
    push(chunk) {
      let rest = frame === undefined ? chunk : fill(frame, chunk)
      if (head.length > 0) rest = joined(head, rest)
      let isShared = false
      while (frame === undefined && rest.length >= lengthBytes) {
        const length = new DataView(rest.buffer, rest.byteOffset).getUint32(0, true)
        const start = rest.subarray(lengthBytes)
        if (start.length < length) {
          // All of it is written, so zeros would be for nothing.
          frame = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
          filled = 0
          rest = fill(frame, start)
        } else {
          isShared ||= rest.buffer === chunk.buffer
          receive(decodeFrame(start.subarray(0, length), false))
          rest = start.subarray(length)
        }
      }
      // A copy, which slice() of a Buffer is not: a chunk's memory would be held for three bytes.
      head = new Uint8Array(rest)
      if (!isShared) releaseAlone(chunk)
    },
  }
}

function jsonBytesOf(meta: FrameMeta[FrameType]): number {
  return (meta !== null && typeof meta === 'object' && 'headerLength' in meta && meta.headerLength) || 0
}

function paddingOf(bytes: number): number {
  return (8 - (bytes % 8)) % 8
}

const space = 0x20
const encoder = new TextEncoder()
const decoder = new TextDecoder()

function decodeFrame(bytes: Uint8Array, isAlone: boolean): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const metaEnd = headBytes - lengthBytes + view.getUint32(5, true)
  const type = frameTypes[view.getUint8(0)]
  if (type === undefined) throw new SelvedgeError('INTERNAL', `a frame of unknown type ${view.getUint8(0)}`)
  const meta: unknown = JSON.parse(decoder.decode(bytes.subarray(headBytes - lengthBytes, metaEnd)))
  return { type, id: view.getUint32(1, true), meta, body: bytes.subarray(metaEnd), isAlone } as Frame
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length)
  bytes.set(a)
  bytes.set(b, a.length)
  return bytes
}
