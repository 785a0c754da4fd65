/** `selvedge why` against a registry. */
import { describe, expect, test } from 'vitest'
import { listen } from '../../../registry/listener.ts'
import type { DriftReport } from '../../../runtime/contract/monitor.ts'
import { serve } from '../../fixtures/http.ts'
import { drift, openDrifted } from '../../registry/monitor/fixture.ts'
import { runCommand } from './command.ts'

describe('why an endpoint drifts', () => {
  test('is told as the registry tells it, made again from its numbers, in JSON and in words', async () => {
    await using fixture = await openDrifted()
    const listener = await listen(fixture.registry, '127.0.0.1', 0)
    try {
      const env = { SELVEDGE_REGISTRY: listener.url }
      const json = await runCommand(['why', 'e', '--monitor', 'mine', '--json'], { env })
      expect(json, json.stderr).toMatchObject({ code: 0 })
      expect(JSON.parse(json.stdout)).toEqual(await drift(fixture, '?monitor=mine'))
      const { stdout } = await runCommand(['why', 'e', '--monitor', 'mine'], { env })
      expect(stdout).toContain('e/blue, version 1: drift')
      expect(stdout).toMatch(/^a +drift +location +\+0\.[34]/m)
      expect(stdout).toMatch(/^b +no drift/m)
      const unknown = await runCommand(['why', 'e', '--monitor', 'none'], { env })
      expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('NOT_FOUND')])
    } finally {
      await listener.close(0)
    }
  })

  test('is refused where the verdict does not follow from the numbers', async () => {
    await using fixture = await openDrifted()
    const told = await drift(fixture, '?monitor=mine')
    const wrong: DriftReport = {
      ...told,
      verdict: 'no_drift',
      features: told.features.map((feature) => ({ ...feature, verdict: 'no_drift' })),
    }
    const site = await serve((_, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(wrong))
    })
    try {
      const { code, stderr } = await runCommand(['why', 'e'], { env: { SELVEDGE_REGISTRY: site.url } })
      expect([code, stderr]).toEqual([1, expect.stringContaining('VERDICT_UNPROVEN: "a": the registry says no_drift')])
    } finally {
      await site.close()
    }
  })
})
