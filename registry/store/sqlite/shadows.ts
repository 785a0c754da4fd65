/** Sums of what shadows counted, by who shadowed whom. */
import type { ShadowSum } from '../../../runtime/contract/control.ts'
import type { ShadowReport } from '../../../runtime/contract/telemetry.ts'

export interface ToldShadows {
  sender: string
  shadows: readonly ShadowReport[]
}

export function sumShadows(told: readonly ToldShadows[]): ShadowSum[] {
  const sums = new Map<string, { sum: ShadowReport; senders: Set<string> }>()
  for (const { sender, shadows } of told) {
    for (const each of shadows) {
      const { deployment, version, variant, provider, against } = each
      const key = JSON.stringify([deployment, version, variant, provider, against.deployment, against.version])
      const held = sums.get(key)
      if (held === undefined) sums.set(key, { sum: each, senders: new Set([sender]) })
      else {
        held.sum = added(held.sum, each)
        held.senders.add(sender)
      }
    }
  }
  return [...sums.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { sum, senders }]) => ({ ...sum, senders: senders.size }))
}

function added(a: ShadowReport, b: ShadowReport): ShadowReport {
  const cells = (x: readonly number[], y: readonly number[]) => x.map((count, i) => count + (y[i] ?? 0))
  const errors = { ...a.errors }
  for (const [code, count] of Object.entries(b.errors)) errors[code] = (errors[code] ?? 0) + count
  return {
    ...a,
    rows: a.rows + b.rows,
    flips: a.flips + b.flips,
    skipped: a.skipped + b.skipped,
    differences: cells(a.differences, b.differences),
    differenceMillionths: a.differenceMillionths + b.differenceMillionths,
    latency: cells(a.latency, b.latency),
    errors,
  }
}
