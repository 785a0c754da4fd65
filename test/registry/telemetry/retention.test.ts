import { expect, test } from 'vitest'
import { openServing } from '../fixture.ts'
import { at, post, report, sums } from './reporting.ts'

test('counts of days that ended eight days ago are dropped, and the status page shows a day of them', async () => {
  let clock = at
  await using fixture = await openServing({ now: () => clock })
  await post(fixture, report())
  const rows = async () => ((await sums(fixture)) as { rows: number }[]).map((sum) => sum.rows)
  const page = async () => await (await fixture.request('/')).text()
  expect(await page()).toContain('3 rows from 1 host in the last 24 hours')
  clock += 24 * 3600_000
  expect(await page()).toContain('No counts were reported in the last 24 hours.')
  clock = Date.parse('2026-12-02T23:59:59.999Z')
  await fixture.restart()
  expect(await rows()).toEqual([3])
  clock += 1
  await fixture.restart()
  await expect.poll(rows).toEqual([])
  expect((await post(fixture, report())).status).toBe(422)
})

test('F-17: a clock that steps back lets no report into a day of which only sums are left', async () => {
  let clock = at
  await using fixture = await openServing({ now: () => clock })
  await post(fixture, report())
  clock = Date.parse('2026-12-03T00:00:00Z')
  await fixture.restart()
  await expect.poll(() => sums(fixture)).toEqual([])
  clock = at
  expect(await (await post(fixture, report({ seq: 2 }))).json()).toMatchObject({ type: 'TELEMETRY_REFUSED' })
  expect(await (await fixture.request('/metrics')).text()).toContain(
    'selvedge_reports_refused_total{reason="day_closed"} 1',
  )
})
