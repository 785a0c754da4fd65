import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type RunningRegistry, startRegistry } from '../fixtures/registry.ts'
import { startWorker, type Worker } from './worker.ts'

let registry: RunningRegistry
let worker: Worker

beforeAll(async () => {
  // Longer than all requests here: of those between two reports none is kept by the next report.
  registry = await startRegistry(4000)
  worker = await startWorker({ registry: registry.url, key: registry.key, endpoints: ['e'], callers: 'anyone' })
}, 60_000)

afterAll(async () => {
  await worker[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
})

test('an isolate asks a shadow behind each request, not only behind those that wait for a report', async () => {
  const { request } = registry.fixture
  const path = '/api/v1/endpoints/e/traffic'
  const moved = await request(path, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', 'if-match': '*' },
    body: JSON.stringify({ split: { blue: 100, green: 0 }, shadow: { deployment: 'green', percent: 100 } }),
  })
  expect(moved.status).toBe(200)
  let sent = 0
  const send = async () => {
    const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'
    const answer = await fetch(`${worker.url}/v2/models/e/infer`, { method: 'POST', body })
    expect(answer.status, await answer.text()).toBe(200)
    return ++sent
  }
  // One after another, with room for a shadow between them.
  await expect.poll(send, { timeout: 20_000, interval: 100 }).toBe(12)
  const rows = await vi.waitFor(
    async () => {
      const { items } = (await (await request('/api/v1/endpoints/e/shadow')).json()) as { items: { rows: number }[] }
      const counted = items.reduce((sum, each) => sum + each.rows, 0)
      if (counted === 0) throw new Error('nothing was reported')
      return counted
    },
    { timeout: 20_000, interval: 200 },
  )
  expect(rows).toBeGreaterThan(6)
}, 60_000)
