/** `selvedge why` against a registry. */
import { describe, expect, test } from 'vitest'
import { listen } from '../../../registry/listener.ts'
import type { DriftReport } from '../../../runtime/contract/monitor.ts'
import type { HealthReport } from '../../../runtime/contract/monitor-reports.ts'
import { serve } from '../../fixtures/http.ts'
import type { Fixture } from '../../registry/fixture.ts'
import { drift, openDrifted, quick } from '../../registry/monitor/fixture.ts'
import { openFailing, openSales, putMonitor } from '../../registry/monitor/watched.ts'
import { runCommand } from './command.ts'

describe('why a monitor says what it says', () => {
  test('of drift is told as the registry tells it, made again from its numbers, in JSON and in words', async () => {
    await using fixture = await openDrifted()
    const stdout = await why(fixture, 'mine', await drift(fixture, '?monitor=mine'))
    expect(stdout).toContain('e/blue, version 1: drift')
    expect(stdout).toContain('Rows of two senders, or of one on two days, are taken to be unrelated.')
    expect(stdout).toMatch(/^a +drift +location +\+0\.[34]/m)
    expect(stdout).toMatch(/^b +no drift/m)
  })

  test('of quality likewise', async () => {
    await using fixture = await openDrifted()
    await putMonitor(fixture, 'whole', { ...quick, signal: 'quality' })
    const stdout = await why(fixture, 'whole')
    expect(stdout).toContain('monitor whole: quality, 9 windows of 1m')
    expect(stdout).toMatch(/^a +no drift +outside/m)
  })

  test('of performance likewise, beside what was measured', async () => {
    await using fixture = await openSales(0.3)
    const stdout = await why(fixture, 'sales')
    expect(stdout).toContain('e/blue, version 1: drift')
    expect(stdout).toContain('monitor sales: accuracy by sold')
    expect(stdout).toMatch(/^accuracy +drift +0\.3\d\d +\+0\.2/m)
    expect(stdout).toMatch(/^accuracy +0\.5\d\d +0\.\d{3} and 0\.\d{3}$/m)
  })

  test('of health likewise, with the codes that requests failed with', async () => {
    await using fixture = await openFailing()
    const stdout = await why(fixture, 'alive')
    expect(stdout).toContain('e/blue, version 1: drift')
    expect(stdout).toMatch(/^errors +drift +90 +8\.26 % .* 2\.00 %$/m)
    expect(stdout).toMatch(/^latency above 512 ms +no drift +0 +0\.00 %/m)
    expect(stdout).toMatch(/^RUN_FAILED +90$/m)
  })

  test('is not told of a monitor that there is none of', async () => {
    await using fixture = await openDrifted()
    const { code, stderr } = await ask(fixture, 'none')
    expect([code, stderr]).toEqual([1, expect.stringContaining('NOT_FOUND')])
  })

  test('is refused where the verdict does not follow from the numbers', async () => {
    await using fixture = await openDrifted()
    const told = await drift(fixture, '?monitor=mine')
    const wrong: DriftReport = {
      ...told,
      verdict: 'no_drift',
      features: told.features.map((feature) => ({ ...feature, verdict: 'no_drift' })),
    }
    expect(await refusedAs(wrong)).toContain('VERDICT_UNPROVEN: "features/a": the registry says no_drift')
  })

  test('is refused where the verdict on a rate does not follow from its counts', async () => {
    await using fixture = await openFailing()
    const told = (await reportFrom(fixture, 'alive')) as HealthReport
    const rates = told.rates.map((rate) => ({ ...rate, verdict: 'no_drift' as const }))
    expect(await refusedAs({ ...told, rates })).toContain('VERDICT_UNPROVEN: "errors": the registry says no_drift')
  })
})

async function reportFrom(fixture: Fixture, monitor: string): Promise<unknown> {
  return await (await fixture.request(`/api/v1/endpoints/e/monitors/${monitor}/report`)).json()
}

/** What it prints; as JSON it has printed what the registry tells. */
async function why(fixture: Fixture, monitor: string, told?: unknown): Promise<string> {
  const json = await ask(fixture, monitor, ['--json'])
  expect(json, json.stderr).toMatchObject({ code: 0 })
  expect(JSON.parse(json.stdout)).toEqual(told ?? (await reportFrom(fixture, monitor)))
  return (await ask(fixture, monitor)).stdout
}

async function ask(fixture: Fixture, monitor: string, more: string[] = []) {
  const listener = await listen(fixture.registry, '127.0.0.1', 0)
  try {
    return await runCommand(['why', 'e', '--monitor', monitor, ...more], { env: { SELVEDGE_REGISTRY: listener.url } })
  } finally {
    await listener.close(0)
  }
}

async function refusedAs(report: unknown): Promise<string> {
  const site = await serve((_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(report))
  })
  try {
    const { code, stderr } = await runCommand(['why', 'e'], { env: { SELVEDGE_REGISTRY: site.url } })
    expect(code).toBe(1)
    return stderr
  } finally {
    await site.close()
  }
}
