/** Verdicts and alarms, as the drift page shows them. */
import { html } from 'hono/html'
import type { FeatureDrift } from '../../runtime/contract/monitor.ts'
import { verdictWords } from '../../runtime/drift/words.ts'
import { formatTime } from '../console/format.ts'
import type { Html } from '../console/page.ts'
import type { AlarmState } from '../store/looks.ts'

// Told by sign and word, too, where colours are not seen or not printed.
const signs = { drift: '▲', no_drift: '✓', insufficient: '?' } as const

export function badge(verdict: FeatureDrift['verdict']): Html {
  return html`<span class="badge ${verdict}"><span aria-hidden="true">${signs[verdict]}</span> ${verdictWords[verdict]}</span>`
}

export function alarmText({ state, since }: AlarmState): string {
  return state === 'alarm' ? `since ${formatTime(since)}` : `none since ${formatTime(since)}`
}
