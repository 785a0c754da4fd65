/** Places of many ids, non-ASCII among them, as a number a scheme: the same on every host. */

import { placeIn } from '../../../runtime/assignment/schemes.ts'
import { type Scheme, scheme } from '../../../runtime/contract/plan.ts'

const beginnings = ['user-', 'Zoë ', '東京 ', 'Łódź/', '👩‍🚀 ', 'e\u0301', 'שלום ', '']

/** A million ids under our own scheme, a hundred thousand under each of the others: FNV-1a of 32 bits over their places. */
export function fingerprints(): Record<string, number> {
  return Object.fromEntries(
    scheme.options.map((one) => [one, fingerprint(one, one === 'murmur3-ppm-1' ? 1_000_000 : 100_000)]),
  )
}

/** Worked out on Node. */
export const expected: Record<Scheme, number> = {
  'murmur3-ppm-1': 2370725489,
  'growthbook-2': 3067908078,
  'flagd-2': 3356554285,
  'unleash-rollout': 1392581574,
  'unleash-variants': 2316234594,
}

function fingerprint(one: Scheme, count: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < count; i++) {
    const place = placeIn(one, 'digits:3', `${beginnings[i % beginnings.length]}${i}`)
    for (let shift = 0; shift < 24; shift += 8) hash = Math.imul(hash ^ ((place >>> shift) & 255), 0x01000193)
  }
  return hash >>> 0
}
