import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Providers } from '../../server/scoring.ts'
import { bytesOf, pushModel, sendJson } from '../registry/fixture.ts'
import { type RunningRegistry, startRegistry } from './fixtures/registry.ts'
import { counting } from './fixtures/served.ts'

const entry = fileURLToPath(new URL('../../server/main.ts', import.meta.url))

describe('the scoring server as a process', { timeout: 30_000 }, () => {
  let registry: RunningRegistry
  let cacheDir: string
  let server: ChildProcess | undefined
  let url: string

  async function start(args: readonly string[] = [], env: Record<string, string> = {}): Promise<void> {
    const child = spawn(
      process.execPath,
      [
        entry,
        '--registry',
        registry.url,
        '--key',
        registry.key,
        '--port',
        '0',
        '--scorers',
        '1',
        '--cache',
        cacheDir,
        ...args,
      ],
      { stdio: ['ignore', 'pipe', 'ignore', 'ipc'], env: { PATH: process.env.PATH, TMPDIR: cacheDir, ...env } },
    )
    server = child
    if (child.stdout === null) throw new Error('no stdout')
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    url = (JSON.parse(line) as { url: string }).url
  }

  async function startReady(args: readonly string[] = []): Promise<void> {
    await start(args)
    await expect.poll(async () => (await fetch(`${url}/v2/models/e/ready`)).status, { timeout: 10_000 }).toBe(200)
  }

  const score = (records: unknown[], headers: Record<string, string> = {}) =>
    fetch(`${url}/v2/models/e/score`, { method: 'POST', body: JSON.stringify({ records }), headers })

  /** Parent of a process; undefined where it has ended, reaped or not. */
  async function parentOf(pid: number | string): Promise<number | undefined> {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return stat === '' || state === 'Z' ? undefined : Number(parent)
  }

  async function scorerPids(): Promise<string[]> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
    const parents = await Promise.all(pids.map(parentOf))
    return pids.filter((_, i) => parents[i] === server?.pid)
  }

  beforeEach(async () => {
    registry = await startRegistry()
    cacheDir = await mkdtemp(join(tmpdir(), 'selvedge-cache-'))
  })

  afterEach(async () => {
    if (server?.exitCode === null && server.signalCode === null) {
      server.kill('SIGKILL')
      await once(server, 'exit')
    }
    await registry[Symbol.asyncDispose]()
    await rm(cacheDir, { recursive: true })
  })

  test('answers over HTTP with the headers that say who answered, in JSON and binary alike', async () => {
    await startReady()
    const answer = await score([{ a: 1, b: 2 }])
    expect(await answer.json()).toEqual({ model_name: 'e', model_version: '1', predictions: [{ value: 5 }] })
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'selvedge-deployment': 'blue',
      'selvedge-version': '1',
      'selvedge-provider': 'cpu',
      'access-control-allow-origin': '*',
    })
    const input = { name: 'x', datatype: 'FP32', shape: [1, 2] }
    const infer = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
      fetch(`${url}/v2/models/e/infer`, { method: 'POST', body, headers })
    const json = await infer(JSON.stringify({ inputs: [{ ...input, data: [1, 2] }] }))
    expect(await json.json()).toEqual({
      model_name: 'e',
      model_version: '1',
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [5] }],
    })
    const raw = await infer(new Uint8Array(Float32Array.of(1, 2).buffer), { 'inference-header-content-length': '0' })
    const headerLength = Number(raw.headers.get('inference-header-content-length'))
    const bytes = await raw.arrayBuffer()
    expect(new Float32Array(bytes.slice(headerLength))).toEqual(Float32Array.of(5))
  })

  test('picks a deployment or a version whatever the split', async () => {
    await startReady()
    const green = await score([{ a: 1, b: 2 }], { 'selvedge-deployment': 'green' })
    expect(await green.json()).toMatchObject({ model_version: '2', predictions: [{ value: 11 }] })
    const second = await fetch(`${url}/v2/models/e/versions/2/score`, {
      method: 'POST',
      body: '{"records":[{"a":1,"b":2}]}',
    })
    expect(await second.json()).toMatchObject({ model_version: '2', predictions: [{ value: 11 }] })
    const none = await fetch(`${url}/v2/models/e/versions/9/score`, {
      method: 'POST',
      body: '{"records":[{"a":1,"b":2}]}',
    })
    expect([none.status, none.headers.get('selvedge-error')]).toEqual([404, 'DEPLOYMENT_UNKNOWN'])
  })

  test('names the providers that it runs on, and why others are absent', async () => {
    await startReady()
    const { providers } = (await (await fetch(`${url}/v2`)).json()) as { providers: Providers }
    const { present, absent } = providers
    expect(present).toContain('cpu')
    expect([...present, ...Object.keys(absent)].sort()).toEqual(['cpu', 'cuda', 'wasm', 'webgpu'])
    expect(Object.values(absent).filter((why) => why === '')).toEqual([])
  })

  test('listens before it has a plan and says so', async () => {
    await registry.stop()
    await start(['--endpoint', 'e'])
    expect((await fetch(`${url}/v2/health/live`)).status).toBe(200)
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(503)
    const answer = await score([{ a: 1, b: 2 }])
    expect([answer.status, answer.headers.get('selvedge-error'), answer.headers.get('retry-after')]).toEqual([
      503,
      'NOT_READY',
      '1',
    ])
  })

  test('follows every endpoint of the registry: new ones and deleted ones', async () => {
    await startReady()
    await sendJson(registry.fixture, 'PUT', '/api/v1/endpoints/f/deployments/only', { model: 'a', version: 2 })
    const models = async () => await (await fetch(`${url}/v2/models`)).json()
    await expect.poll(models, { timeout: 10_000 }).toEqual({ models: ['e', 'f'] })
    await registry.moveTraffic({ only: 0 }, 'f')
    const deleted = await registry.fixture.request('/api/v1/endpoints/f', { method: 'DELETE' })
    expect(deleted.ok).toBe(true)
    await expect.poll(models, { timeout: 10_000 }).toEqual({ models: ['e'] })
  })

  test('RT-19: a scorer killed by hand costs no request, and health answers all the while', async () => {
    await startReady()
    const statuses = new Set<number>()
    for (const scorer of await scorerPids()) {
      const asked = Array.from({ length: 20 }, () => score([{ a: 1, b: 2 }]))
      process.kill(Number(scorer), 'SIGKILL')
      expect((await fetch(`${url}/v2/health/live`)).status).toBe(200)
      for (const answer of await Promise.all(asked)) statuses.add(answer.status)
    }
    expect([...statuses]).toEqual([200])
  })

  test('one endpoint whose model does not load leaves the server ready, and says so for itself', async () => {
    const { network, description } = counting()
    const tensor = { datatype: 'INT64', shape: [], data: [3] }
    const golden = {
      samples: [{ inputs: [{ name: 'n', ...tensor }], outputs: [{ name: 'count', ...tensor, data: [4] }] }],
      tolerance: 1e-6,
    }
    const files = {
      'model.onnx': new Uint8Array(network),
      'selvedge.json': bytesOf({ ...description, golden: 'golden.json' }),
      'golden.json': bytesOf(golden),
    }
    expect((await pushModel(registry.fixture, 'count', '1', files)).status).toBe(201)
    await sendJson(registry.fixture, 'PUT', '/api/v1/endpoints/n/deployments/only', { model: 'count', version: 1 })
    await startReady()
    const statuses = async (...paths: string[]) =>
      Promise.all(paths.map(async (path) => (await fetch(`${url}${path}`)).status))
    expect(await statuses('/readyz', '/v2/health/ready', '/v2/models/n/ready')).toEqual([200, 200, 503])
  })

  test('with caller tokens, only callers that send one are answered', async () => {
    await start([], { SELVEDGE_CALLER_TOKENS: 'one, two' })
    const status = async (headers: Record<string, string>) => (await fetch(`${url}/v2`, { headers })).status
    expect(await status({})).toBe(401)
    expect(await status({ authorization: 'Bearer two' })).toBe(200)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
  })

  test('SC-11: a run without end is answered 504 at its deadline while health answers, and dies with the server', async () => {
    const { network, description } = counting()
    const files = { 'model.onnx': new Uint8Array(network), 'selvedge.json': bytesOf(description) }
    expect((await pushModel(registry.fixture, 'count', '1', files)).status).toBe(201)
    await sendJson(registry.fixture, 'PUT', '/api/v1/endpoints/n/deployments/only', { model: 'count', version: 1 })
    await startReady(['--run-ms', '1000', '--endpoint', 'e', '--endpoint', 'n'])
    await expect.poll(async () => (await fetch(`${url}/v2/models/n/ready`)).status, { timeout: 10_000 }).toBe(200)
    const count = (n: string) => {
      const body = `{"inputs":[{"name":"n","datatype":"INT64","shape":[],"data":[${n}]}]}`
      return fetch(`${url}/v2/models/n/infer`, { method: 'POST', body })
    }
    const asked = performance.now()
    const endless = count('9223372036854775807')
    const health = await fetch(`${url}/v2/health/live`)
    expect([health.status, performance.now() - asked < 1000]).toEqual([200, true])
    const answer = await endless
    expect([answer.status, answer.headers.get('selvedge-error')]).toEqual([504, 'DEADLINE_EXCEEDED'])
    expect(performance.now() - asked).toBeLessThan(1500)
    await expect.poll(async () => (await count('7')).status, { timeout: 5000 }).toBe(200)
    const pids = await scorerPids()
    const left = count('9223372036854775807').catch(() => 'the server is gone')
    server?.kill('SIGKILL')
    expect(await left).toBe('the server is gone')
    await expect.poll(() => Promise.all(pids.map(parentOf))).toEqual(pids.map(() => undefined))
  })

  test.each([
    ['SIGTERM', () => server?.kill('SIGTERM')],
    ['the end of its parent', () => server?.disconnect()],
  ])('on %s it reports what it counted, ends with code 0, and leaves no process', async (_name, end) => {
    await startReady()
    await score([{ a: 1, b: 2 }])
    const pids = await scorerPids()
    // One that answers, one that stands by.
    expect(pids).toHaveLength(2)
    end()
    if (server === undefined) throw new Error('no server')
    const [code] = await once(server, 'exit')
    expect(code).toBe(0)
    expect(await registry.rows()).toEqual({ blue: 1 })
    expect(await Promise.all(pids.map(parentOf))).toEqual(pids.map(() => undefined))
  })

  test('kill -9 of the server ends its scorers too', async () => {
    await startReady()
    const pids = await scorerPids()
    server?.kill('SIGKILL')
    await expect.poll(() => Promise.all(pids.map(parentOf))).toEqual(pids.map(() => undefined))
  })

  test.each([
    [['--port', 'x'], 'USAGE'],
    [['--host', '0.0.0.0'], 'REFUSED_TO_START'],
    [['--scorers', '0'], 'USAGE'],
    [['--nothing'], 'USAGE'],
    [[], 'USAGE', '10.0.0.0/33'],
  ])('refuses to start with %j', async (args, code, trusted = '') => {
    const child = spawn(
      process.execPath,
      [entry, '--registry', registry.url, '--key', registry.key, '--port', '0', '--cache', cacheDir, ...args],
      // A token for the registry lets nobody in.
      { stdio: ['ignore', 'ignore', 'pipe'], env: { SELVEDGE_TOKEN: 'reader', SELVEDGE_TRUSTED_PROXIES: trusted } },
    )
    let text = ''
    child.stderr.on('data', (chunk) => {
      text += chunk
    })
    const [status] = await once(child, 'close')
    expect([status, JSON.parse(text).code]).toEqual([1, code])
  })
})
