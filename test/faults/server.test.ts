/** Faults of and around a scoring server: deaths, swaps, overload, its own end. */
import { readdirSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeInferRequest } from '../../runtime/oip/infer.ts'
import { encodeModel } from '../../runtime/onnx/writer.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { bytesOf, pushModel, sendJson } from '../registry/fixture.ts'
import { type RunningRegistry, startRegistry } from '../server/fixtures/registry.ts'
import { counting } from '../server/fixtures/served.ts'
import { type RunningServer, startServer } from '../server/fixtures/server.ts'
import { keepAsking } from './load.ts'
import { swapUnderLoad } from './swaps.ts'

test('F-24: 10 swaps of a version under load lose and mix no request', { timeout: 60_000 }, async () => {
  const { wrong, seen } = await swapUnderLoad(10)
  expect(wrong).toEqual([])
  expect(seen).toEqual(['1', '3', '4'])
})

describe('a scoring server', { timeout: 60_000 }, () => {
  let registry: RunningRegistry
  let server: RunningServer

  beforeEach(async () => {
    registry = await startRegistry()
  })

  afterEach(async () => {
    await server[Symbol.asyncDispose]()
    await registry[Symbol.asyncDispose]()
  })

  const isGood = async (answer: Response) => {
    const text = await answer.text()
    return answer.ok ? undefined : `${answer.status} ${text}`
  }

  test('F-22: a scorer killed again and again costs no request', async () => {
    server = await startServer(registry, '--scorers', '2')
    await server.untilReady('e')
    const load = keepAsking(server.url, 16, isGood)
    for (let kill = 0; kill < 5; kill++) {
      await expect.poll(() => scorersOf(server.pid).length, { timeout: 10_000 }).toBe(3)
      const before = load.asked()
      process.kill(scorersOf(server.pid)[0] ?? 0, 'SIGKILL')
      await expect.poll(() => load.asked(), { timeout: 10_000 }).toBeGreaterThan(before + 200)
    }
    expect(await load.stop()).toEqual([])
  })

  test('F-06: SIGTERM under load answers what it took, takes nothing new and ends with 0', async () => {
    server = await startServer(registry, '--scorers', '2')
    await server.untilReady('e')
    const load = keepAsking(server.url, 16, async (answer) => await isGood(answer))
    await expect.poll(() => load.asked()).toBeGreaterThan(200)
    server.end()
    expect(await server.ended).toBe(0)
    const wrong = await load.stop()
    // Some find the door closed, or go out just as it closes: what was run was answered.
    const atTheDoor = /^no answer: (ECONNREFUSED|ECONNRESET|UND_ERR_SOCKET)$/
    expect(wrong.filter((each) => !atTheDoor.test(each))).toEqual([])
    expect((await registry.rows()).blue).toBe(load.asked() - wrong.length)
  })

  test('SC-13, F-20: past its capacity it refuses at once, and answers as before when the load is gone', async () => {
    const { network, description } = counting()
    const files = { 'model.onnx': new Uint8Array(network), 'selvedge.json': bytesOf(description) }
    expect((await pushModel(registry.fixture, 'count', '1', files)).status).toBe(201)
    await sendJson(registry.fixture, 'PUT', '/api/v1/endpoints/n/deployments/only', { model: 'count', version: 1 })
    server = await startServer(registry, '--scorers', '1')
    await server.untilReady('n')
    // Some milliseconds of work each.
    const { body, headerLength } = encodeInferRequest({ n: createTensor('INT64', [], BigInt64Array.of(3000n)) })
    const ask = async () => {
      const headers = { 'inference-header-content-length': String(headerLength) }
      const answer = await fetch(`${server.url}/v2/models/n/infer`, { method: 'POST', body, headers })
      await answer.arrayBuffer()
      return answer
    }
    await ask()
    const answers = await Promise.all(Array.from({ length: 400 }, ask))
    const byStatus = Object.groupBy(answers, ({ status }) => String(status))
    expect(Object.keys(byStatus).sort()).toEqual(['200', '503'])
    // The queue, and those that came when a place was free again.
    expect(byStatus['200']?.length).toBeGreaterThanOrEqual(101)
    for (const refused of byStatus['503'] ?? []) {
      expect(refused.headers.get('selvedge-error')).toBe('QUEUE_FULL')
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    }
    expect((await ask()).status).toBe(200)
  })

  test('AP-15: 4 MiB of the costliest JSON is read while health answers', async () => {
    server = await startServer(registry, '--scorers', '1')
    await server.untilReady('e')
    const costly = `{"inputs":[${'{},'.repeat(Math.floor((4 * 1024 * 1024 - 20) / 3))}{}]}`
    const asked = fetch(`${server.url}/v2/models/e/infer`, { method: 'POST', body: costly })
    let answered = false
    const done = asked.then(() => {
      answered = true
    })
    let health = 0
    while (!answered) {
      expect((await fetch(`${server.url}/v2/health/live`)).status).toBe(200)
      health++
    }
    await done
    expect((await asked).status).toBe(400)
    expect(health).toBeGreaterThan(3)
  })

  test('SC-12: an index past the end is refused and the scorer lives on', async () => {
    const network = encodeModel({
      opsets: { '': 17 },
      graph: {
        name: 'gather',
        nodes: [{ operator: 'Gather', inputs: ['table', 'i'], outputs: ['y'] }],
        initializers: { table: createTensor('FP32', [3], Float32Array.of(1, 2, 3)) },
        inputs: [{ name: 'i', datatype: 'INT64', shape: ['N'] }],
        outputs: [{ name: 'y', datatype: 'FP32', shape: ['N'] }],
      },
    })
    expect((await pushModel(registry.fixture, 'gather', '1', { 'model.onnx': new Uint8Array(network) })).status).toBe(
      201,
    )
    await sendJson(registry.fixture, 'PUT', '/api/v1/endpoints/g/deployments/only', { model: 'gather', version: 1 })
    server = await startServer(registry, '--scorers', '1')
    await server.untilReady('g')
    const gather = async (...data: number[]) => {
      const body = JSON.stringify({ inputs: [{ name: 'i', datatype: 'INT64', shape: [data.length], data }] })
      const answer = await fetch(`${server.url}/v2/models/g/infer`, { method: 'POST', body })
      return [answer.status, answer.headers.get('selvedge-error')]
    }
    expect(await gather(99_999_999)).toEqual([422, 'RUN_FAILED'])
    expect(await gather(-11)).toEqual([422, 'RUN_FAILED'])
    expect(await gather(2, -1)).toEqual([200, null])
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    expect(metrics).toMatch(/^selvedge_scoring_scorer_restarts_total(\{\})? 0$/m)
  })
})

function scorersOf(pid: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return Number(parent) === pid && state !== 'Z' ? [Number(name)] : []
    } catch {
      return []
    }
  })
}
