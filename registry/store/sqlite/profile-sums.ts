/** Exact sums of what hosts counted, by deployment, version, variant, provider, device, spec and tier. */
import type { ProfileSum } from '../../../runtime/contract/control.ts'
import { addCounts } from '../../../runtime/telemetry/profile.ts'
import type { Tier } from '../days.ts'
import type { Row } from './tables.ts'

export function sumProfiles(rows: readonly Row<'profiles'>[]): ProfileSum[] {
  const sums = new Map<string, { sum: ProfileSum; senders: Map<string, ProfileSum> }>()
  for (const row of rows) {
    const { deployment, version, variant, provider, device, spec, tier } = row
    const key = JSON.stringify([deployment, version, variant, provider, device, spec, tier])
    const next = toProfile(row)
    const held = sums.get(key)
    if (held === undefined) {
      sums.set(key, { sum: next, senders: new Map([[row.sender, next]]) })
      continue
    }
    held.sum = addProfiles(held.sum, next)
    const own = held.senders.get(row.sender)
    held.senders.set(row.sender, own === undefined || tier !== 'page' ? next : addProfiles(own, next))
  }
  return [...sums.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { sum, senders }]) => ({
      ...sum,
      senders: senders.size,
      ...(sum.tier === 'page' && { shares: equalShares([...senders.values()]) }),
    }))
}

function addProfiles(a: ProfileSum, b: ProfileSum): ProfileSum {
  return {
    ...a,
    ...addCounts(a, b),
    latency: a.latency.map((count, i) => count + (b.latency[i] ?? 0)),
    errors: addErrors(a.errors, b.errors),
  }
}

/** Parts per million, of senders that weigh the same. */
function equalShares(senders: readonly ProfileSum[]): ProfileSum['shares'] {
  const [first] = senders
  const by = (side: 'counts' | 'outputs') =>
    Object.fromEntries(
      Object.keys(first?.[side] ?? {}).map((name) => [name, meanShares(senders.map((own) => own[side][name] ?? []))]),
    )
  return { counts: by('counts'), outputs: by('outputs'), latency: meanShares(senders.map(({ latency }) => latency)) }
}

// Integers, so that the order of the senders does not decide; a sender without a row has no share.
function meanShares(vectors: readonly (readonly number[])[]): number[] {
  const sums = new Array<number>(vectors[0]?.length ?? 0).fill(0)
  let senders = 0
  for (const counts of vectors) {
    const rows = counts.reduce((sum, count) => sum + count, 0)
    if (rows === 0) continue
    senders++
    for (let i = 0; i < sums.length; i++) {
      sums[i] = (sums[i] ?? 0) + Math.floor((1_000_000 * (counts[i] ?? 0)) / rows)
    }
  }
  return sums.map((sum) => Math.round(sum / Math.max(1, senders)))
}

function addErrors(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const sum = { ...a }
  for (const [code, count] of Object.entries(b)) sum[code] = (sum[code] ?? 0) + count
  return sum
}

function toProfile(row: Row<'profiles'>): ProfileSum {
  return {
    deployment: row.deployment,
    version: row.version,
    variant: row.variant,
    provider: row.provider as ProfileSum['provider'],
    device: row.device as ProfileSum['device'],
    ...(row.spec !== '' && { spec: row.spec }),
    rows: row.rows,
    counts: JSON.parse(row.counts),
    outputs: JSON.parse(row.outputs),
    latency: JSON.parse(row.latency),
    errors: JSON.parse(row.errors),
    tier: row.tier as Tier,
    senders: 1,
  }
}
