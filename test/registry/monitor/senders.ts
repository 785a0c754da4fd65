/** Rows as senders count them: against a spec, by sender and window. */
import type { ObservedDays } from '../../../registry/monitor/drift.ts'
import type { SenderCounts } from '../../../registry/store/days.ts'
import { dayFacts, openFeatureCounter, openPlacing, senderDays } from '../../../registry/telemetry/day.ts'
import type { ProfileSpec } from '../../../runtime/contract/profile-spec.ts'
import { openProfile } from '../../../runtime/telemetry/profile.ts'

export interface SentRow {
  sender: string
  /** RFC 3339, on a whole minute. */
  window: string
  features: Record<string, unknown>
  outputs: Record<string, unknown>
}

/** One report for each sender and window, windows in order. */
export function countRows(spec: ProfileSpec, rows: readonly SentRow[], device = 'desktop'): SenderCounts[] {
  const profiles = new Map<string, { row: SentRow; profile: ReturnType<typeof openProfile> }>()
  for (const row of rows) {
    const key = `${row.window} ${row.sender}`
    const held = profiles.get(key) ?? { row, profile: openProfile(spec) }
    profiles.set(key, held)
    held.profile.countRow(row.features)
    held.profile.countOutput(row.outputs)
  }
  return [...profiles.values()]
    .map(({ row: { sender, window }, profile }) => ({ sender, window, ...source, device, ...profile.counts() }))
    .toSorted((a, b) => (a.window < b.window ? -1 : a.window > b.window ? 1 : 0))
}

const source = { tier: 'trusted', variant: 'fp32', provider: 'wasm' } as const

/** The same as days that a monitor looks at. */
export function observedDays({ features, outputs }: ProfileSpec, rows: readonly SenderCounts[]): ObservedDays[] {
  const days = Map.groupBy(rows, (row) => row.window.slice(0, 10))
  return Array.from(days.values(), (day) => {
    const facts = dayFacts(senderDays(day))
    return {
      facts: [facts],
      async count(windowMs) {
        const placing = openPlacing(facts, windowMs)
        const placed = day.flatMap((row) => placing.place(row) ?? [])
        return {
          rows: placed.map(({ at, row }) => ({ at, rows: row.rows })),
          async spans(side, name) {
            const feature = (side === 'counts' ? features : outputs).find((each) => each.name === name)
            if (feature === undefined) return []
            const counter = openFeatureCounter(side, feature, facts)
            for (const each of placed) counter.add(each)
            return counter.spans()
          },
        }
      },
    }
  })
}

/** 22 characters of base64url for a number. */
export function senderOf(number: number): string {
  return String(number).padStart(22, '0')
}
