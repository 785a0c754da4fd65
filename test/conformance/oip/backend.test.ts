/**
 * ONNX's backend models through the protocol: their inputs as a request in JSON and in binary form to a server with one
 * scorer process, and what it answers.
 */
import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeInferResponse, encodeInferRequest } from '../../../runtime/oip/infer.ts'
import { describeModel } from '../../../runtime/onnx/describe.ts'
import type { Tensors } from '../../../runtime/tensor/tensor.ts'
import { createApp } from '../../../server/front/app.ts'
import { type Listener, openListener } from '../../../server/front/listener.ts'
import { openNodeExchange } from '../../../server/front/node-exchange.ts'
import { openScorers, type Scorers } from '../../../server/scorers.ts'
import type { Scoring } from '../../../server/scoring.ts'
import { planOf } from '../../server/fixtures/served.ts'
import { differences, readCase } from '../onnx/compare.ts'
import { unsupported } from '../onnx/unsupported.ts'

const folder = fileURLToPath(new URL('../../../../shared/models/onnx-backend', import.meta.url))
const names = existsSync(folder) ? readdirSync(folder) : []
const carried = names.filter((name) => unsupported[name] === undefined)
const refused = Object.entries(unsupported)

describe.skipIf(names.length === 0)('ONNX backend models over the Open Inference Protocol', { timeout: 30_000 }, () => {
  let scorers: Scorers
  let listener: Listener

  beforeAll(async () => {
    scorers = await openScorers({ count: 1, standby: false, post: async () => undefined, log: () => undefined })
    const exchange = openNodeExchange()
    const app = createApp({ scoring: scoringOf(scorers), exchange, mostBodyBytes: 64 * 1024 * 1024 })
    listener = await openListener(app, { host: '127.0.0.1', port: 0 })
  })

  afterAll(async () => {
    await listener.close()
    await scorers.close()
  })

  async function ask(name: string, body: Uint8Array<ArrayBuffer>, headers: Record<string, string>): Promise<Tensors> {
    const url = `${listener.url}/v2/models/${name}/infer`
    const answer = await fetch(url, { method: 'POST', body, headers })
    const bytes = new Uint8Array(await answer.arrayBuffer())
    expect(answer.status, new TextDecoder().decode(bytes)).toBe(200)
    const length = answer.headers.get('inference-header-content-length')
    return decodeInferResponse(bytes, length === null ? undefined : Number(length)).outputs
  }

  async function read(name: string) {
    const model = await readCase((path) => readFile(join(folder, name, path)))
    const { network } = model
    const { plan, loaded } = planOf(name, 1, { network, description: describeModel(network, 'model.onnx') })
    if (!isLocal(name)) return { ...model, plan, loaded }
    const variant = { ...loaded.variant, providers: ['wasm' as const] }
    const deployment = { ...loaded.deployment, variants: [variant] }
    return { ...model, plan: { ...plan, deployments: [deployment] }, loaded: { ...loaded, deployment, variant } }
  }

  test.each(carried)('%s in JSON and in binary form', async (name) => {
    const { inputs, expected, plan, loaded } = await read(name)
    await scorers.serve(plan, async () => [loaded])
    const { body, headerLength } = encodeInferRequest(inputs)
    const binary = { 'inference-header-content-length': String(headerLength) }
    expect(differences(await ask(name, body, binary), expected)).toEqual([])
    expect(differences(await ask(name, jsonOf(inputs), {}), expected)).toEqual([])
    await scorers.withdraw(name)
  })

  test.each(refused)('%s is refused when it is loaded, for want of %s', async (name, kernel) => {
    const { plan, loaded } = await read(name)
    await expect(scorers.serve(plan, async () => [loaded])).rejects.toMatchObject({
      code: 'OPERATOR_UNKNOWN',
      message: expect.stringContaining(kernel),
    })
    expect(scorers.isReady(name)).toBe(false)
  })
})

// On `cpu` they change case by the locale en_US.UTF-8 of the system, which need not have it; `wasm` does without.
function isLocal(name: string): boolean {
  return name.startsWith('test_strnorm_')
}

function scoringOf(scorers: Scorers): Scoring {
  const state = { isReady: true, revision: 1, deployments: [] }
  return {
    isReady: true,
    guard: 'process',
    scorerCount: 1,
    restarts: 0,
    memory: [],
    endpoints: names,
    endpoint: (name) => (names.includes(name) ? state : undefined),
    waiting: (name) => scorers.waiting(name),
    admit: (request) => scorers.admit(request),
    ask: (...asked) => scorers.ask(...asked),
  }
}

function jsonOf(inputs: Tensors): Uint8Array<ArrayBuffer> {
  const messages = Object.entries(inputs).map(([name, { datatype, shape, data }]) => {
    const values = Array.from<unknown>(data)
    return { name, datatype, shape, data: datatype === 'BOOL' ? values.map(Boolean) : values }
  })
  const text = JSON.stringify({ inputs: messages }, (_, value) => (typeof value === 'bigint' ? String(value) : value))
  return new TextEncoder().encode(text)
}
