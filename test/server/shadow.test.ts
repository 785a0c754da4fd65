import { expect, test, vi } from 'vitest'
import type { ShadowSum } from '../../runtime/contract/control.ts'
import { sendJson } from '../registry/fixture.ts'
import { runCommand } from './cli/command.ts'
import { startRegistry } from './fixtures/registry.ts'
import { startServer } from './fixtures/server.ts'

test('a deployment that shadows answers nobody; the registry knows how far it would have been', {
  timeout: 60_000,
}, async () => {
  await using registry = await startRegistry(200)
  const path = '/api/v1/endpoints/e/traffic'
  const etag = (await registry.fixture.request(path)).headers.get('etag') ?? ''
  const body = { split: { blue: 100 }, shadow: { deployment: 'green', percent: 100 } }
  expect((await sendJson(registry.fixture, 'PUT', path, body, { 'if-match': etag })).status).toBe(200)
  await using server = await startServer(registry, '--scorers', '1')
  await server.untilReady('e')

  // Blue is a + 2b, green 3a + 4b: 5 and 11.
  const answer = await fetch(`${server.url}/v2/models/e/score`, { method: 'POST', body: '{"records":[{"a":1,"b":2}]}' })
  expect(answer.headers.get('selvedge-deployment')).toBe('blue')

  await vi.waitFor(async () => {
    const { items } = (await (await registry.fixture.request('/api/v1/endpoints/e/shadow')).json()) as {
      items: ShadowSum[]
    }
    expect(items).toMatchObject([
      {
        deployment: 'green',
        version: 2,
        against: { deployment: 'blue', version: 1 },
        rows: 1,
        differenceMillionths: 6_000_000,
        senders: 1,
      },
    ])
  }, 20_000)
  const { stdout } = await runCommand(['traffic', 'e'], { env: { SELVEDGE_REGISTRY: registry.url } })
  expect(stdout).toContain('shadow: 100 % also to green\n')
  expect(stdout).toContain('green@2 beside blue@1: 1 row compared, mean difference 6')
})
