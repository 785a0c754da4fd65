import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { verifyPlan } from '../../../runtime/plan/plan.ts'
import {
  digestOf,
  type Fixture,
  linearDescription,
  linearFiles,
  linearSpec,
  openServing,
  sendJson,
} from '../fixture.ts'

const hour = 3600_000

function clock() {
  let at = 1_764_000_000_000
  return { now: () => at, pass: (ms: number) => (at += ms) }
}

function readPlan(fixture: Fixture, query = '', headers: Record<string, string> = {}): Promise<Response> {
  return fixture.request(`/api/v1/endpoints/e/plan${query}`, { headers })
}

async function revisionOf(answer: Response): Promise<number> {
  const [, payload = ''] = (await answer.text()).split('.')
  return JSON.parse(Buffer.from(payload, 'base64url').toString()).revision
}

async function addDeployment(fixture: Fixture, name: string): Promise<void> {
  await sendJson(fixture, 'PUT', `/api/v1/endpoints/e/deployments/${name}`, { model: 'a', version: 2 })
}

describe('the signed plan', () => {
  test('is verified by the key that the registry names and says all that a host needs', async () => {
    const { now } = clock()
    await using fixture = await openServing({ now, publicUrl: 'https://models.example/registry' })
    const { keys } = (await (await fixture.request('/api/v1/keys')).json()) as { keys: { kid: string; key: string }[] }
    expect(keys.map(({ key }) => key)).toEqual([fixture.registry.key])
    const answer = await readPlan(fixture)
    const jws = await answer.text()
    expect(answer.headers.get('content-type')).toBe('application/jose')
    expect(answer.headers.get('etag')).toBe(`"${digestOf(jws)}"`)
    expect(answer.headers.get('cache-control')).toBe('max-age=5, stale-while-revalidate=60')
    expect(JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString())).toEqual({
      alg: 'Ed25519',
      kid: keys[0]?.kid,
      typ: 'selvedge-plan+jws',
    })
    const plan = await verifyPlan(jws, [fixture.registry.key])
    const files = linearFiles([1, 2])
    const network = files['model.onnx'] ?? new Uint8Array()
    const manifest = (await fixture.request('/v2/a/manifests/1')).headers.get('docker-content-digest')
    expect(plan).toEqual({
      endpoint: 'e',
      revision: now() + 2,
      issuedAt: new Date(now()).toISOString(),
      expiresAt: new Date(now() + 24 * hour).toISOString(),
      scheme: 'murmur3-ppm-1',
      salt: 'e:1',
      deployments: [
        {
          name: 'blue',
          model: 'a',
          version: 1,
          manifest,
          description: digestOf(JSON.stringify(linearDescription)),
          spec: digestOf(JSON.stringify(linearSpec)),
          variants: [
            {
              id: 'fp32',
              providers: ['wasm', 'cpu'],
              files: [
                {
                  path: 'model.onnx',
                  digest: digestOf(network),
                  size: network.length,
                  chunks: [digestOf(network).slice('sha256:'.length)],
                },
              ],
            },
          ],
        },
        expect.objectContaining({ name: 'green', version: 2 }),
      ],
      ranges: [['blue', 0, 1_000_000]],
      runtime: { ort: '1.30.0', files: {} },
      blobs: 'https://models.example/registry/v2/',
      telemetry: { url: 'https://models.example/registry/api/v1/telemetry', intervalMs: 60_000, sampleRate: 1 },
      nextKeys: [],
    })
  })

  test('names the registry as the host called it where no public address is set', async () => {
    await using fixture = await openServing()
    for (const base of ['http://localhost:4400/', 'http://127.0.0.1:4400/']) {
      const jws = await (await fixture.registry.app.request(`${base}api/v1/endpoints/e/plan`)).text()
      expect(await verifyPlan(jws, [fixture.registry.key])).toMatchObject({ blobs: `${base}v2/` })
    }
  })

  test('is signed once a revision, and anew at half its life without a new revision', async () => {
    const { now, pass } = clock()
    await using fixture = await openServing({ now })
    const first = await readPlan(fixture)
    const [jws, etag] = [await first.text(), first.headers.get('etag') ?? '']
    pass(12 * hour - 1)
    expect(await (await readPlan(fixture)).text()).toBe(jws)
    expect((await readPlan(fixture, '', { 'if-none-match': etag })).status).toBe(304)
    pass(1)
    const second = await readPlan(fixture, '', { 'if-none-match': etag })
    expect(second.status).toBe(200)
    const [before, after] = await Promise.all([
      verifyPlan(jws, [fixture.registry.key]),
      verifyPlan(await second.text(), [fixture.registry.key]),
    ])
    expect(after).toEqual({
      ...before,
      issuedAt: new Date(now()).toISOString(),
      expiresAt: new Date(now() + 24 * hour).toISOString(),
    })
  })

  test('has the later of the next revision and the clock, also when the clock went back', async () => {
    const { now, pass } = clock()
    await using fixture = await openServing({ now })
    const first = await revisionOf(await readPlan(fixture))
    pass(10 * hour)
    await addDeployment(fixture, 'red')
    expect(await revisionOf(await readPlan(fixture))).toBe(now())
    pass(-20 * hour)
    await addDeployment(fixture, 'pink')
    expect(await revisionOf(await readPlan(fixture))).toBe(now() + 20 * hour + 1)
    expect(first).toBe(1_764_000_000_002)
  })

  test('keeps its key over a restart, and only its owner reads the key', async () => {
    await using fixture = await openServing()
    const { key } = fixture.registry
    await fixture.restart()
    expect(fixture.registry.key).toBe(key)
    const file = join(fixture.dataDir, 'plan-key.json')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    await fixture.registry.close()
    writeFileSync(file, '{}')
    await expect(fixture.restart()).rejects.toMatchObject({ code: 'REFUSED_TO_START' })
    writeFileSync(file, '')
    await expect(fixture.restart()).rejects.toMatchObject({ code: 'REFUSED_TO_START' })
  })
})

describe('a long poll', () => {
  test('is answered at once when there is news already, and is never stored', async () => {
    await using fixture = await openServing()
    const revision = await revisionOf(await readPlan(fixture))
    const answer = await readPlan(fixture, `?wait=25&after=${revision - 1}`)
    expect(await revisionOf(answer)).toBe(revision)
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })

  test('waits for the change and is answered with it', async () => {
    await using fixture = await openServing()
    const plan = await readPlan(fixture)
    const etag = plan.headers.get('etag') ?? ''
    const revision = await revisionOf(plan)
    const waiting = readPlan(fixture, `?wait=25&after=${revision}`, { 'if-none-match': etag })
    await addDeployment(fixture, 'red')
    expect(await revisionOf(await waiting)).toBeGreaterThan(revision)
  })

  test('of a host that holds the same revision signed before is answered at once with the one signed anew', async () => {
    const { now, pass } = clock()
    await using fixture = await openServing({ now })
    const plan = await readPlan(fixture)
    const held = { 'if-none-match': plan.headers.get('etag') ?? '' }
    const revision = await revisionOf(plan)
    pass(12 * hour)
    const anew = await readPlan(fixture, `?wait=25&after=${revision}`, held)
    expect([anew.status, await revisionOf(anew)]).toEqual([200, revision])
  })

  // Sooner than the poll would end by itself.
  test('is answered when someone else makes the registry sign the plan anew', { timeout: 15_000 }, async () => {
    const { now, pass } = clock()
    await using fixture = await openServing({ now })
    const plan = await readPlan(fixture)
    const held = { 'if-none-match': plan.headers.get('etag') ?? '' }
    const revision = await revisionOf(plan)
    const waiting = readPlan(fixture, `?wait=25&after=${revision}`, held)
    await vi.waitFor(async () => {
      expect(await (await fixture.request('/metrics')).text()).toContain('selvedge_polls_waiting 1\n')
    })
    pass(12 * hour)
    await readPlan(fixture)
    const anew = await waiting
    expect([anew.status, await revisionOf(anew)]).toEqual([200, revision])
  })

  test('ends with 304 when nothing comes', async () => {
    await using fixture = await openServing()
    const revision = await revisionOf(await readPlan(fixture))
    expect((await readPlan(fixture, `?wait=1&after=${revision}`)).status).toBe(304)
  })

  test('is given up when the registry drains or the caller leaves', async () => {
    await using fixture = await openServing()
    const revision = await revisionOf(await readPlan(fixture))
    const leaving = new AbortController()
    const left = fixture.request(`/api/v1/endpoints/e/plan?wait=25&after=${revision}`, { signal: leaving.signal })
    const drained = readPlan(fixture, `?wait=25&after=${revision}`)
    leaving.abort()
    expect((await left).status).toBe(304)
    fixture.registry.drain()
    expect((await drained).status).toBe(304)
    expect((await readPlan(fixture, `?wait=25&after=${revision}`)).status).toBe(304)
  })

  test('of 1,000 hosts is answered to all of them with one signature', async () => {
    await using fixture = await openServing()
    const revision = await revisionOf(await readPlan(fixture))
    const waiting = Array.from({ length: 1000 }, () => readPlan(fixture, `?wait=25&after=${revision}`))
    await addDeployment(fixture, 'red')
    const etags = new Set(
      (await Promise.all(waiting)).map((answer) => `${answer.status} ${answer.headers.get('etag')}`),
    )
    expect(etags.size).toBe(1)
    expect([...etags][0]).toMatch(/^200 "sha256:/)
  })

  test('of an unknown endpoint or with a wrong query is refused', async () => {
    await using fixture = await openServing()
    expect((await fixture.request('/api/v1/endpoints/missing/plan?wait=25&after=1')).status).toBe(404)
    for (const query of ['?wait=26', '?wait=-1', '?after=x', '?wait=1&until=2']) {
      expect((await readPlan(fixture, query)).status).toBe(400)
    }
  })
})
