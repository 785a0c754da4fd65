import { describe, expect, test } from 'vitest'
import { driftPage } from '../../../registry/drift-page/page.ts'
import { type DriftDocument, driftDocument, driftDocumentId } from '../../../runtime/contract/drift-document.ts'
import { recompute } from '../../../runtime/drift/report.ts'
import { sendJson } from '../fixture.ts'
import { hasCalifornia, output, readHouses, specOf } from '../monitor/california.ts'
import { drift, openDrifted, openMonitored } from '../monitor/fixture.ts'
import { at as judgedAt, openJudged, tell } from '../monitor/judged.ts'
import { openFailing, openSales } from '../monitor/watched.ts'

function numbersIn(text: string): DriftDocument {
  const [, json = ''] = text.match(new RegExp(`id="${driftDocumentId}">(.*)</script>`)) ?? []
  return driftDocument.parse(JSON.parse(json))
}

/** Names with the verdicts beside them, in order. */
function verdictsIn(text: string): string[][] {
  const rows = text.matchAll(/<th scope="row"><a href="#[^"]+">(\w+)<\/a><\/th><td><span class="badge (\w+)">/g)
  return Array.from(rows, ([, name = '', verdict = '']) => [name, verdict])
}

describe('the drift page', () => {
  test('says the verdicts with what they rest on, those that drift first, and asks nothing of the network', async () => {
    await using fixture = await openDrifted()
    const answer = await fixture.request('/endpoints/e/drift?monitor=mine')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    const text = await answer.text()
    expect(text).toContain('<h1>Drift of e: drift</h1>')
    expect(verdictsIn(text)[0]).toEqual(['a', 'drift'])
    expect(verdictsIn(text)).toContainEqual(['b', 'no_drift'])
    expect(text).toContain('rows in 8 of 9 minutes')
    expect(text).toContain('<a href="?monitor=default&amp;deployment=blue">default</a>')
    expect(text).toContain('href="/api/v1/endpoints/e/drift.html?monitor=mine&amp;deployment=blue">Save as a file')
    expect(text).toContain('<td class="number">4,000</td><td class="number">800</td>')
    expect(/src=|url\(|@import|undefined|NaN,|± NaN/.test(text)).toBe(false)
    expect([...text.matchAll(/<script([^>]*)>/g)].map(([, about]) => about)).toEqual([
      ` type="application/json" id="${driftDocumentId}"`,
    ])
  })

  test('as a file leads nowhere and holds the numbers from which its verdicts follow', async () => {
    await using fixture = await openDrifted()
    const answer = await fixture.request('/api/v1/endpoints/e/drift.html?monitor=mine')
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="drift-e-2026-11-24.html"')
    const text = await answer.text()
    const { report, coverage } = numbersIn(text)
    expect(report).toEqual(await drift(fixture, '?monitor=mine'))
    expect(recompute(report)).toEqual(report)
    expect(coverage.windows).toHaveLength(8)
    expect(coverage.windows[0]).toEqual({ window: '2026-11-24T10:00:00.000Z', rows: 500, senders: 100 })
    const links = Array.from(text.matchAll(/href="([^"]*)"/g), ([, link]) => link)
    expect(links.filter((link) => !link?.startsWith('#') && link !== 'data:,')).toEqual([])
  })

  test('shows the evidence of each look that was kept, and that of now', async () => {
    await using fixture = await openDrifted()
    const document = numbersIn(await (await fixture.request('/endpoints/e/drift?monitor=mine')).text())
    const look = (at: string, logEvidence: number) => ({
      endpoint: 'e',
      monitor: 'mine',
      deployment: 'blue',
      version: 1,
      at,
      verdict: 'insufficient' as const,
      rows: 10,
      parts: [{ part: 'features/a', verdict: 'insufficient' as const, logEvidence, logThreshold: Math.log(100) }],
    })
    const looks = [look('2026-11-24T10:01:00Z', 0), look('2026-11-24T10:02:00Z', Math.log(1000))]
    const text = String(await driftPage({ ...document, looks }))
    expect(text).toContain('at the last of 3 looks')
    expect(text).toContain('<title>2026-11-24 10:01:00 UTC: 10^0.0 of 10^2.0</title>')
    expect(text).toContain('<title>2026-11-24 10:02:00 UTC: 10^3.0 of 10^2.0</title>')
    const now = document.report.features[0]?.logEvidence ?? 0
    expect(text).toContain(`<title>2026-11-24 10:08:30 UTC: 10^${(now / Math.LN10).toFixed(1)} of`)
  })

  test('says which promises about rows the verdicts rest on', async () => {
    await using fixture = await openDrifted()
    const { report, ...document } = numbersIn(await (await fixture.request('/endpoints/e/drift?monitor=mine')).text())
    const pageOf = async (changes: Partial<typeof report>) =>
      String(await driftPage({ ...document, report: { ...report, ...changes } }))
    expect(await pageOf({})).toContain('<p>Rows of two senders, or of one on two days, are taken to be unrelated.</p>')
    const told = await pageOf({ clustering: 'units', untrusted: 1200 })
    expect(told).toContain('<p>Hosts told whose rows are one unit’s')
    expect(told).toContain('1,200 of 4,000 rows came with page tokens')
    expect(await pageOf({ clustering: 'windows' })).toContain('the operator’s promise that rows 1h apart are unrelated')
  })

  test('says since when there is an alarm, of this monitor and of others', async () => {
    await using fixture = await openDrifted()
    const document = numbersIn(await (await fixture.request('/endpoints/e/drift?monitor=mine')).text())
    const state = (monitor: string, part: string, state: 'alarm' | 'calm', since: string) => {
      return { endpoint: 'e', monitor, deployment: 'blue', version: 1, part, state, since }
    }
    const alarms = [
      state('mine', '', 'alarm', '2026-11-24T10:05:00Z'),
      state('mine', 'features/a', 'alarm', '2026-11-24T10:05:00Z'),
      state('mine', 'features/b', 'calm', '2026-11-24T10:01:00Z'),
      state('sales', '', 'calm', '2026-11-24T10:02:00Z'),
    ]
    const text = String(await driftPage({ ...document, alarms }))
    expect(text).toContain('<dt>Alarm</dt><dd>since 2026-11-24 10:05:00 UTC</dd>')
    expect(text.match(/<p>Alarm since 2026-11-24 10:05:00 UTC.<\/p>/g)).toHaveLength(1)
    expect(text).toContain('Alarms of other monitors: sales none since 2026-11-24 10:02:00 UTC.')
  })

  test('says which route tells the causes where that would take too long', async () => {
    await using fixture = await openDrifted()
    const text = await (await fixture.request('/endpoints/e/drift?monitor=mine')).text()
    expect(text).toContain('<strong>Where it comes from:</strong> its inputs')
    const { attribution: _, ...document } = numbersIn(text)
    expect(String(await driftPage(document))).toContain('<code>GET /api/v1/endpoints/e/attribution</code> tells')
  })

  test('TE-15 shows names of others as texts, in its numbers, too', async () => {
    await using fixture = await openDrifted()
    const document = numbersIn(await (await fixture.request('/endpoints/e/drift?monitor=mine')).text())
    const [first] = document.report.features
    if (first === undefined) throw new Error('there is no feature')
    const hostile = '</script><script>alert(1)</script>'
    const report = { ...document.report, features: [{ ...first, name: hostile }] }
    const text = String(await driftPage({ ...document, report }))
    expect(text).not.toContain(hostile)
    expect(numbersIn(text).report.features[0]?.name).toBe(hostile)
  })

  test.skipIf(!hasCalifornia)('shows performance where outcomes are known, beside the estimate', async () => {
    const { reference, analysis } = readHouses()
    const spec = specOf(reference)
    const clock = { now: judgedAt }
    await using fixture = await openJudged(spec, clock)
    const performance = { signal: 'performance', outcome: 'sold', window: '1h', season: 'none' }
    expect((await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/monitors/sales', performance)).status).toBe(201)
    await tell(fixture, spec, analysis.slice(0, 300), ({ isPositive }) => isPositive)
    clock.now += 60_000
    const text = await (await fixture.request('/endpoints/e/drift')).text()
    const right = analysis.slice(0, 300).filter(({ score, isPositive }) => score >= output.threshold === isPositive)
    expect(text).toContain('<h2>Performance</h2>')
    expect(text).toContain(`<th scope="row"><time>2026-11-24</time></th><td class="number">300</td>`)
    expect(text).toContain(`<td class="number">${(right.length / 300).toFixed(3)} <small>`)
  })

  test('says what is lacking where nothing was counted yet', async () => {
    await using fixture = await openMonitored()
    const text = await (await fixture.request('/endpoints/e/drift')).text()
    expect(text).toContain('Drift of e: not enough to tell')
    expect(text).toContain('more senders')
    expect((await fixture.request('/endpoints/none/drift')).status).toBe(404)
    expect((await fixture.request('/endpoints/e/drift?monitor=<b>')).status).toBe(400)
  })
})

describe('the page of a monitor', () => {
  test('of performance says the verdict with what it rests on and what was measured', async () => {
    await using fixture = await openSales(0.3)
    const text = await (await fixture.request('/endpoints/e/drift?monitor=sales')).text()
    expect(text).toContain('<h1>Performance of e: drift</h1>')
    expect(text).toMatch(/<th scope="row">accuracy<\/th><td><span class="badge drift">/)
    expect(text).toContain('3,000 units from 2026-11-24 10:00:00 UTC to 2026-11-24 10:01:00 UTC')
    expect(text).toContain('at the last of 1 look,')
    expect(text).toMatch(/<th scope="row">Accuracy<\/th><td class="number">0\.5\d\d <small>/)
    expect(text).toContain('<code>selvedge why e --monitor sales --deployment blue</code>')
    expect(text).toContain('<a href="?monitor=sales&amp;deployment=blue" aria-current="page">sales</a>')
    expect(text).not.toContain('Save as a file')
    expect(/undefined|NaN/.test(text)).toBe(false)
  })

  test('of health says which shares are past their limits, and with which codes requests failed', async () => {
    await using fixture = await openFailing()
    const text = await (await fixture.request('/endpoints/e/drift?monitor=alive')).text()
    expect(text).toContain('<h1>Health of e: drift</h1>')
    expect(text).toMatch(/<th scope="row">failed<\/th><td><span class="badge drift">.*<td class="number">8.26 %<\/td>/)
    expect(text).toMatch(/<th scope="row">took over 512 ms<\/th><td><span class="badge no_drift">/)
    expect(text).toContain('<th scope="row">RUN_FAILED</th><td class="number">90</td>')
    expect((await fixture.request('/api/v1/endpoints/e/drift.html?monitor=alive')).status).toBe(409)
  })
})
