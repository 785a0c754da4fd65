/** Verdicts and what they lack, as the drift page says them. */
import { html } from 'hono/html'
import type { DriftReport, FeatureDrift } from '../../runtime/contract/monitor.ts'
import { formatCount, formatTime } from '../console/format.ts'
import type { Html } from '../console/page.ts'
import type { AlarmState } from '../store/looks.ts'

export const words = { drift: 'drift', no_drift: 'no drift', insufficient: 'not enough to tell' } as const

// Told by sign and word, too, where colours are not seen or not printed.
const signs = { drift: '▲', no_drift: '✓', insufficient: '?' } as const

export function badge(verdict: FeatureDrift['verdict']): Html {
  return html`<span class="badge ${verdict}"><span aria-hidden="true">${signs[verdict]}</span> ${words[verdict]}</span>`
}

export function lackText({ what, count }: NonNullable<FeatureDrift['lack']>): string {
  return what === 'baseline rows' ? `a baseline of ${formatCount(count)} rows` : `${formatCount(count)} more ${what}`
}

export function alarmText({ state, since }: AlarmState): string {
  return state === 'alarm' ? `since ${formatTime(since)}` : `none since ${formatTime(since)}`
}

/** What a cluster is. */
export const clusterWords: Record<DriftReport['clustering'], string> = {
  senders: 'pairs of a sender and a day',
  units: 'pairs of a unit and a day',
  windows: 'unrelated windows',
}
