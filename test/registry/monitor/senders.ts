/** Rows as senders count them: against a spec, by sender and window. */
import type { SenderCounts } from '../../../registry/store/days.ts'
import type { ProfileSpec } from '../../../runtime/contract/profile-spec.ts'
import { openProfile } from '../../../runtime/profile.ts'

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

/** 22 characters of base64url for a number. */
export function senderOf(number: number): string {
  return String(number).padStart(22, '0')
}
