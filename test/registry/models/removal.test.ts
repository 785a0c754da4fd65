import { describe, expect, test } from 'vitest'
import {
  digestOf,
  type Fixture,
  linearFiles,
  modelManifest,
  openFixture,
  openServing,
  pushModel,
  putManifest,
  sendJson,
} from '../fixture.ts'

const remove = async (fixture: Fixture, path: string) => await fixture.request(path, { method: 'DELETE' })

async function manifestOf(fixture: Fixture, reference: string): Promise<string> {
  const answer = await fixture.request(`/v2/a/manifests/${reference}`, { method: 'HEAD' })
  return answer.headers.get('docker-content-digest') ?? ''
}

/** One blob of the version: its network. */
async function networkOf(fixture: Fixture, reference: string): Promise<string> {
  const { layers } = (await (await fixture.request(`/v2/a/manifests/${reference}`)).json()) as {
    layers: { digest: string }[]
  }
  return layers[0]?.digest ?? ''
}

async function reported(fixture: Fixture, deployment: string, version: number, at: number) {
  const { revision } = (await (await fixture.request('/api/v1/endpoints/e')).json()) as { revision: number }
  const zeros = { a: [0, 0, 0, 0, 0, 0], b: [0, 0, 0, 0, 0] }
  const profile = await fixture.request('/v2/a/manifests/1')
  const { layers } = (await profile.json()) as { layers: { digest: string; annotations: Record<string, string> }[] }
  const spec = layers.find(({ annotations }) => annotations['org.cncf.model.filepath'] === 'profile.json')?.digest
  const answer = await sendJson(fixture, 'POST', '/api/v1/telemetry', {
    sender: 'a'.repeat(22),
    seq: 1,
    window: new Date(Math.floor(at / 60_000) * 60_000).toISOString(),
    endpoint: 'e',
    revision,
    exposures: [],
    outcomes: [],
    profiles: [
      {
        deployment,
        version,
        variant: 'fp32',
        provider: 'wasm',
        device: 'desktop',
        spec,
        rows: 0,
        counts: zeros,
        outputs: { value: [0, 0, 0, 0, 0] },
        latency: new Array(33).fill(0),
        errors: {},
      },
    ],
  })
  expect(answer.status).toBe(200)
}

describe('AP-19 a version that is deployed', () => {
  test('is not deleted by number, tag, alias, digest, model or blob, and every refusal names who holds it', async () => {
    await using fixture = await openServing()
    await putManifest(fixture, 'a', 'live', await modelManifest(fixture, 'a', linearFiles([1, 2])))
    const routes = [
      '/api/v1/models/a/versions/1',
      '/v2/a/manifests/1',
      '/v2/a/manifests/live',
      `/v2/a/manifests/${await manifestOf(fixture, '1')}`,
      '/api/v1/models/a',
    ]
    for (const route of routes) {
      const answer = await remove(fixture, route)
      const text = await answer.text()
      expect([route, answer.status]).toEqual([route, 409])
      expect(text).toContain('IN_USE')
      expect(text).toContain('deployment blue of endpoint e')
      expect(JSON.parse(text).holders ?? JSON.parse(text).errors[0].detail.holders).toMatchObject({
        deployments: expect.arrayContaining([{ endpoint: 'e', deployment: 'blue', version: 1 }]),
      })
    }
    const blob = await remove(fixture, `/v2/a/blobs/${await networkOf(fixture, '1')}`)
    expect([blob.status, await blob.text()]).toEqual([409, expect.stringContaining(await manifestOf(fixture, '1'))])
    expect((await fixture.request('/v2/a/manifests/live')).status).toBe(200)
    expect((await fixture.request('/api/v1/models/a/versions/1')).status).toBe(200)
  })

  test('is deleted once the deployment is gone, and its number is never given again', async () => {
    await using fixture = await openServing()
    const digest = await manifestOf(fixture, '2')
    await remove(fixture, '/api/v1/endpoints/e/deployments/green')
    expect((await remove(fixture, '/api/v1/models/a/versions/2')).status).toBe(204)
    for (const path of ['/api/v1/models/a/versions/2', '/v2/a/manifests/2', `/v2/a/manifests/${digest}`]) {
      expect([path, (await fixture.request(path)).status]).toEqual([path, 404])
    }
    expect(await (await fixture.request('/v2/a/tags/list')).json()).toEqual({ name: 'a', tags: ['1'] })
    expect(await (await fixture.request('/api/v1/models/a')).json()).toMatchObject({ latestVersion: 1 })
    expect((await remove(fixture, '/api/v1/models/a/versions/2')).status).toBe(404)
    for (const weights of [
      [3, 4],
      [5, 6],
    ] as const) {
      const again = await pushModel(fixture, 'a', '2', linearFiles(weights))
      expect([again.status, await again.text()]).toEqual([409, expect.stringContaining('the next version is 3')])
    }
    const third = await pushModel(fixture, 'a', '3', linearFiles([3, 4]))
    expect(third.headers.get('selvedge-version')).toBe('3')
    const deployed = await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/x', { model: 'a', version: 2 })
    expect(deployed.status).toBe(404)
  })
})

describe('a version that an alias names', () => {
  test('is not deleted until the alias is, and the alias alone goes by its own name', async () => {
    await using fixture = await openFixture()
    await pushModel(fixture, 'a', 'champion')
    for (const route of [
      '/api/v1/models/a/versions/1',
      '/v2/a/manifests/1',
      `/v2/a/manifests/${await manifestOf(fixture, '1')}`,
    ]) {
      const answer = await remove(fixture, route)
      expect([route, answer.status, await answer.text()]).toEqual([
        route,
        409,
        expect.stringContaining('alias champion'),
      ])
    }
    expect((await remove(fixture, '/v2/a/manifests/champion')).status).toBe(202)
    expect((await fixture.request('/v2/a/manifests/champion')).status).toBe(404)
    expect((await fixture.request('/v2/a/manifests/1')).status).toBe(200)
    expect((await remove(fixture, '/v2/a/manifests/1')).status).toBe(202)
  })

  test('goes with its model, aliases and all', async () => {
    await using fixture = await openFixture()
    await pushModel(fixture, 'a', 'champion', linearFiles([1, 2]))
    await pushModel(fixture, 'a', '2', linearFiles([3, 4]))
    expect((await remove(fixture, '/api/v1/models/a')).status).toBe(204)
    expect((await fixture.request('/api/v1/models/a')).status).toBe(404)
    expect(await (await fixture.request('/api/v1/models')).json()).toEqual({ items: [] })
    expect((await fixture.request('/v2/a/manifests/champion')).status).toBe(404)
    expect((await remove(fixture, '/api/v1/models/a')).status).toBe(404)
    expect((await pushModel(fixture, 'a', 'champion')).headers.get('selvedge-version')).toBe('3')
  })
})

test('AP-19 a version that a host told of within ten minutes is held, and not after', async () => {
  let at = Date.parse('2026-11-24T10:00:00Z')
  await using fixture = await openServing({ now: () => at })
  await reported(fixture, 'green', 2, at)
  await remove(fixture, '/api/v1/endpoints/e/deployments/green')
  const refused = await remove(fixture, '/api/v1/models/a/versions/2')
  expect(refused.status).toBe(409)
  expect(await refused.json()).toMatchObject({
    type: 'IN_USE',
    detail: 'a version 2 is held by 1 host of endpoint e',
    holders: { deployments: [], aliases: [], manifests: [], hosts: [{ endpoint: 'e', version: 2, count: 1 }] },
  })
  at += 10 * 60_000 + 1
  expect((await remove(fixture, '/api/v1/models/a/versions/2')).status).toBe(204)
})

test('two versions of one manifest keep it until both are deleted', async () => {
  await using fixture = await openFixture()
  const manifest = await modelManifest(fixture, 'a', linearFiles())
  for (const version of ['1', '2']) expect((await putManifest(fixture, 'a', version, manifest)).status).toBe(201)
  await remove(fixture, '/api/v1/models/a/versions/1')
  expect((await fixture.request(`/v2/a/manifests/${digestOf(manifest)}`)).status).toBe(200)
  await remove(fixture, '/api/v1/models/a/versions/2')
  expect((await fixture.request(`/v2/a/manifests/${digestOf(manifest)}`)).status).toBe(404)
})

test('of a deployment and a deletion of its version at once, one is refused', async () => {
  await using fixture = await openFixture()
  for (let version = 1; version <= 10; version++) {
    await pushModel(fixture, 'a', String(version), linearFiles([version, 1]))
    const [deployed, removed] = await Promise.all([
      sendJson(fixture, 'PUT', `/api/v1/endpoints/e/deployments/d${version}`, { model: 'a', version }),
      remove(fixture, `/api/v1/models/a/versions/${version}`),
    ])
    expect([
      [201, 409],
      [404, 204],
    ]).toContainEqual([deployed.status, removed.status])
  }
})
