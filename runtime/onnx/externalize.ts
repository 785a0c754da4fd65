/**
 * Large weights as external data that lies in the model's own bytes: ONNX Runtime then copies each once, where it would
 * otherwise take them out of a copy of the whole file and keep both until its session stands.
 */
import type { ModelBytes } from '../scoring/session.ts'
import { concat, encode, encodeVarint } from './encoder.ts'
import { placedFields } from './fields.ts'
import { grammar, type Kind } from './grammar.ts'

/** What ONNX Runtime reads while it infers shapes has to stay inside; shapes and axes are never as large. */
const leastBytes = 64 * 1024

const graphNumber = numberOf('model', 'graph')
const initializersNumber = numberOf('graph', 'initializers')
const rawNumber = numberOf('tensor', 'raw')
const locationNumber = numberOf('tensor', 'location')
/** A tensor that has one of these is not, or not only, raw bytes. */
const otherNumbers = (['floats', 'int32s', 'strings', 'int64s', 'doubles', 'uint64s', 'external'] as const).map(
  (name) => numberOf('tensor', name),
)

/**
 * The same model with its graph's large initializers outside of the network. All other fields, known or not, stay byte
 * for byte. Weights are not copied: the bytes that came are the external data.
 *
 * @returns what came where no initializer is large
 * @throws {@link SelvedgeError} `MODEL_INVALID` for bytes that are no message of protobuf
 */
export function externalize(bytes: ModelBytes): ModelBytes {
  const { network, externalData } = bytes
  if (network.length < leastBytes) return bytes
  const path = freePath(externalData)
  const model = rewrite(network, 0, network.length, graphNumber, (from, to) =>
    rewrite(network, from, to, initializersNumber, (from, to) => refer(network, from, to, path)),
  )
  if (model === undefined) return bytes
  return { network: concat(model), externalData: [...externalData, { path, data: network }] }
}

/** Parts of a message in which `replace` gives other payloads to fields of this number; undefined where it gives none. */
function rewrite(
  bytes: Uint8Array,
  from: number,
  to: number,
  number: number,
  replace: (from: number, to: number) => Uint8Array[] | undefined,
): Uint8Array[] | undefined {
  const parts: Uint8Array[] = []
  let copied = from
  for (const field of placedFields(bytes, from, to)) {
    if (field.number !== number || field.wire !== 2) continue
    const payload = replace(field.from, field.to)
    if (payload === undefined) continue
    const length = payload.reduce((sum, part) => sum + part.length, 0)
    parts.push(bytes.subarray(copied, field.start), encodeVarint(number * 8 + 2), encodeVarint(length))
    for (const part of payload) parts.push(part)
    copied = field.to
  }
  if (copied === from) return undefined
  parts.push(bytes.subarray(copied, to))
  return parts
}

/** Parts of a tensor that refers to its raw bytes where they lie; undefined for one that stays. */
function refer(bytes: Uint8Array, from: number, to: number, path: string): Uint8Array[] | undefined {
  if (to - from < leastBytes) return undefined
  let raw: { start: number; from: number; to: number } | undefined
  for (const field of placedFields(bytes, from, to)) {
    if (otherNumbers.includes(field.number)) return undefined
    // Written where tools have taken external data in: it says that there is none.
    if (field.number === locationNumber && bytes[field.from] !== 0) return undefined
    if (field.number !== rawNumber) continue
    if (raw !== undefined || field.wire !== 2) return undefined
    raw = field
  }
  if (raw === undefined || raw.to - raw.from < leastBytes) return undefined
  const entries = { location: path, offset: String(raw.from), length: String(raw.to - raw.from) }
  const external = Object.entries(entries).map(([key, value]) => ({ key, value }))
  const reference = encode(grammar, 'tensor', { external, location: 1 })
  return [bytes.subarray(from, raw.start), bytes.subarray(raw.to, to), reference]
}

function freePath(externalData: ModelBytes['externalData']): string {
  const taken = new Set(externalData.map(({ path }) => path))
  let path = 'network'
  while (taken.has(path)) path += '-'
  return path
}

function numberOf(kind: Kind, name: string): number {
  return Number(Object.keys(grammar[kind]).find((number) => grammar[kind][Number(number)]?.name === name))
}
