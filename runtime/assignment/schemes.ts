/**
 * Schemes: the place of a unit as this system and others compute it, so that whoever comes from one of them moves nobody.
 *
 * | scheme | where it comes from | salt |
 * |---|---|---|
 * | `murmur3-ppm-1` | ours | any |
 * | `growthbook-2` | GrowthBook's `hashVersion` 2 | the experiment's `seed`, or its key |
 * | `flagd-2` | flagd's `fractional` with integer buckets | the flag's key |
 * | `unleash-rollout` | Unleash's `flexibleRollout`: the first range are those who have the feature | `groupId` |
 * | `unleash-variants` | Unleash's variants of 1,000 weights, with their seed | `groupId`, or the feature's name |
 *
 * Shares must be whole steps of a scheme's places: hundredths of a percent for GrowthBook, percent for Unleash's rollout,
 * tenths of a percent for its variants.
 */
import type { Scheme } from '../contract/plan.ts'
import { murmur3 } from './murmur3.ts'

const wholePpm = 1_000_000
const encoder = new TextEncoder()

/** The unit's place between 0 and 999,999 under a salt, as the scheme has it. */
export function placeIn(scheme: Scheme, salt: string, unit: string): number {
  return places[scheme](salt, unit)
}

/** That of our own scheme: `floor(murmur3 * 1e6 / 2^32)`, exact in doubles. */
export function bucket(salt: string, unit: string): number {
  return Math.floor((murmur3(lengthPrefixed(salt, unit), 0) * wholePpm) / 2 ** 32)
}

/** GrowthBook's namespaces, whatever the version of the hash: thousandths. */
export function growthbookNamespacePlace(namespace: string, unit: string): number {
  return (fnv1a(`${unit}__${namespace}`) % 1000) * 1000
}

const places: Record<Scheme, (salt: string, unit: string) => number> = {
  'murmur3-ppm-1': bucket,
  'growthbook-2': (salt, unit) => (fnv1a(`${fnv1a(salt + unit)}`) % 10_000) * 100,
  // Of weights that sum to W it takes floor(hash · W / 2^32): the same border, where each weight is a whole share.
  'flagd-2': (salt, unit) => Math.floor((murmur3(encoder.encode(salt + unit), 0) * wholePpm) / 2 ** 32),
  'unleash-rollout': (salt, unit) => (murmur3(encoder.encode(`${salt}:${unit}`), 0) % 100) * 10_000,
  'unleash-variants': (salt, unit) => (murmur3(encoder.encode(`${salt}:${unit}`), variantSeed) % 1000) * 1000,
}

// Unleash's client specification 5.0: another seed than that of the rollout, or the two would go together.
const variantSeed = 86_028_157

/** FNV-1a of 32 bits over UTF-16 code units, as GrowthBook's JavaScript SDK computes it. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

// Lengths go first, so that ("a", "bc") and ("ab", "c") are different units.
function lengthPrefixed(...parts: string[]): Uint8Array {
  const encoded = parts.map((part) => encoder.encode(part))
  const bytes = new Uint8Array(encoded.reduce((length, part) => length + 4 + part.length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const part of encoded) {
    view.setUint32(at, part.length, true)
    bytes.set(part, at + 4)
    at += 4 + part.length
  }
  return bytes
}
