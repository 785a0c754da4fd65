import { deleteDB } from 'idb'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openPageState, type PageState } from '../../browser/state.ts'
import type { TelemetryReport } from '../../runtime/contract/telemetry.ts'

const report = (window: string, seq: number): TelemetryReport => ({
  sender: 'AAECAwQFBgcICQoLDA0ODw',
  seq,
  window,
  endpoint: 'digits',
  revision: 1,
  profiles: [],
  exposures: [],
  outcomes: [],
})

describe('state of a page from visit to visit', () => {
  let state: PageState
  beforeEach(async () => {
    state = await openPageState()
  })
  afterEach(async () => {
    state.close()
    await deleteDB('selvedge')
  })

  test('keeps the newest plan of each endpoint of each registry', async () => {
    await state.keepPlan('https://a', 'digits', 'first')
    await state.keepPlan('https://a', 'digits', 'second')
    expect(await state.plan('https://a', 'digits')).toBe('second')
    expect(await state.plan('https://b', 'digits')).toBeUndefined()
  })

  test('a later report of a window replaces the one that waits; a report that was taken is forgotten', async () => {
    await state.keepReport('https://a', report('2026-11-24T10:00:00.000Z', 1))
    const key = await state.keepReport('https://a', report('2026-11-24T10:00:00.000Z', 2))
    await state.keepReport('https://a', report('2026-11-24T10:01:00.000Z', 3))
    expect((await state.waitingReports()).map(({ report }) => report.seq)).toEqual([2, 3])
    await state.forgetReport(key)
    expect((await state.waitingReports()).map(({ report }) => report.seq)).toEqual([3])
  })

  test('F-30: keeps at most 200 reports, the newest', async () => {
    for (let i = 0; i < 203; i++) {
      const window = new Date(Date.UTC(2026, 10, 24, 0, i)).toISOString()
      await state.keepReport('https://a', report(window, i + 1))
    }
    const waiting = await state.waitingReports()
    expect(waiting).toHaveLength(200)
    expect(Math.max(...waiting.map(({ report }) => report.seq))).toBe(203)
  })
})
