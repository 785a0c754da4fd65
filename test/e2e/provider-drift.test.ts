/** A driver that computes one operator wrong: told apart from a drift of the inputs by what real pages report. */
import type { Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attribution as attributionSchema } from '../../runtime/contract/attribution.ts'
import { driftReport } from '../../runtime/contract/monitor.ts'
import { encodeModel } from '../../runtime/onnx/writer.ts'
import { buildProfileSpec } from '../../runtime/telemetry/baseline.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { bytesOf, sendJson } from '../registry/fixture.ts'
import { openRandom } from '../runtime/drift/random.ts'
import { runCommand } from '../server/cli/command.ts'
import { openPages, type Pages } from './pages.ts'

type Row = { a: number }

function draw(count: number, seed: number): Row[] {
  const { normal } = openRandom(seed)
  return Array.from({ length: count }, () => ({ a: 0.7 + normal() }))
}

// Two terms of the series: right to 1e-4 within 0.2 of 0, where the golden samples lie, and of the other sign past 1.7.
const wrongTanh = `
  const createShaderModule = GPUDevice.prototype.createShaderModule
  GPUDevice.prototype.createShaderModule = function ({ code, ...rest }) {
    const wrong = code.replace(/(fn tanh_v\\(a: x_value_t\\) -> x_value_t) \\{[^}]*\\}/, '$1 { return a - a * a * a / 3; }')
    return createShaderModule.call(this, { ...rest, code: wrong })
  }`

// Evidence against one provider is bounded by the number of its senders, so there are more of those than rows ask for.
const groups = [
  ...Array.from({ length: 4 }, () => ({ provider: 'webgpu', visits: 10, rows: 100 }) as const),
  ...Array.from({ length: 2 }, () => ({ provider: 'wasm', visits: 8, rows: 250 }) as const),
]

describe('a page scores by a WebGPU driver whose tanh is wrong', () => {
  let pages: Pages

  beforeAll(async () => {
    pages = await openPages(tanhFiles(), { prelude: wrongTanh })
    await sendJson(pages.fixture, 'PUT', '/api/v1/endpoints/e/monitors/mine', { season: 'none', window: '1m' })
  })
  afterAll(() => pages?.[Symbol.asyncDispose]())

  /** Each visit is a life of the host, and so a sender. */
  async function visit(page: Page, provider: 'webgpu' | 'wasm', rows: Row[]): Promise<void> {
    const scored = await page.evaluate(
      async ([provider, records]) => {
        const connection = await globalThis.connectWith([provider])
        const [first] = await connection.score(records)
        await connection.close()
        return { provider: first?.provider, why: first?.why }
      },
      [provider, rows] as const,
    )
    // The trial has no sample from where the kernel is wrong.
    expect(scored).toMatchObject({ provider, why: expect.stringMatching(/gives the golden outputs$/) })
  }

  test('the outputs drift and the inputs do not, and the cause is the provider', { timeout: 120_000 }, async () => {
    await Promise.all(
      groups.map(async ({ provider, visits, rows }, seed) => {
        const page = await pages.open()
        const drawn = draw(visits * rows, seed)
        for (let i = 0; i < visits; i++) await visit(page, provider, drawn.slice(i * rows, (i + 1) * rows))
      }),
    )

    const read = async (path: string) =>
      (await pages.fixture.request(`/api/v1/endpoints/e/${path}?monitor=mine`)).json()
    const report = driftReport.parse(await read('drift'))
    const verdicts = [...report.features, ...report.outputs].map(({ name, verdict }) => [name, verdict])
    expect([report.rows, report.senders]).toEqual([8000, 56])
    expect(verdicts).toEqual([
      ['a', 'no_drift'],
      ['value', 'drift'],
    ])

    const attribution = attributionSchema.parse(await read('attribution'))
    expect(attribution.causes).toEqual(['provider'])
    const found = attribution.providers.map(({ provider, inputs, outputs, isCause }) => [
      provider,
      inputs,
      outputs,
      isCause,
    ])
    expect(found).toEqual([
      ['wasm', 'alike', 'differ', false],
      ['webgpu', 'alike', 'differ', true],
    ])

    const env = { SELVEDGE_REGISTRY: pages.registry }
    const why = await runCommand(['why', 'e', '--monitor', 'mine', '--json'], { env })
    expect(why, why.stderr).toMatchObject({ code: 0 })
    const said = driftReport.parse(JSON.parse(why.stdout))
    expect([...said.features, ...said.outputs].map(({ name, verdict }) => [name, verdict])).toEqual(verdicts)
  })
})

/** y = tanh(a), a normal around 0.7: its version, baseline of 20,000 rows and golden samples near 0. */
function tanhFiles() {
  const io = (name: string) => ({ name, datatype: 'FP32' as const, shape: ['N', 1] })
  const model = encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'tanh',
      nodes: [
        { operator: 'MatMul', inputs: ['x', 'w'], outputs: ['h'] },
        { operator: 'Tanh', inputs: ['h'], outputs: ['y'] },
      ],
      initializers: { w: createTensor('FP32', [1, 1], Float32Array.of(1)) },
      inputs: [io('x')],
      outputs: [io('y')],
    },
  })
  const features = [{ name: 'a', kind: 'numeric' as const, input: 'x', index: 0 }]
  const output = { kind: 'regression' as const, tensor: 'y' }
  const rows = draw(20_000, groups.length)
  const outputs = rows.map(({ a }) => ({ value: Math.tanh(a) }))
  const golden = (a: number) => ({
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [a] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [Math.tanh(a)] }],
  })
  return {
    'model.onnx': new Uint8Array(model),
    'selvedge.json': bytesOf({
      inputs: [io('x')],
      outputs: [io('y')],
      features,
      output,
      golden: 'golden.json',
      variants: [{ id: 'fp32', file: 'model.onnx', providers: ['webgpu', 'wasm'] }],
    }),
    'profile.json': bytesOf(buildProfileSpec({ features, output, rows, outputs })),
    'golden.json': bytesOf({ samples: [-0.2, 0.1, 0.2].map(golden), tolerance: 1e-3 }),
  }
}
