/** Variants of one version, real networks on ONNX Runtime: which of them a host serves. */
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import type { Golden } from '../../../runtime/contract/golden.ts'
import type { ExecutionProvider } from '../../../runtime/contract/names.ts'
import { type PlanDeployment, type PlanVariant, plan as planSchema } from '../../../runtime/contract/plan.ts'
import { type Lacks, webGpuLack } from '../../../runtime/delivery/candidates.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { encodeModel, type NodeToWrite } from '../../../runtime/onnx/writer.ts'
import { openNodeSession } from '../../../runtime/providers/node.ts'
import type { KeptChoice } from '../../../runtime/scoring/choice.ts'
import { openQueue } from '../../../runtime/scoring/queue.ts'
import { openServed, type Served, type ServedEvent } from '../../../runtime/scoring/served.ts'
import type { Session } from '../../../runtime/scoring/session.ts'
import { createTensor, type Tensors } from '../../../runtime/tensor/tensor.ts'
import { scaleDescription } from '../../fixtures/models.ts'

const [first] = planSchema.parse(
  JSON.parse(readFileSync(new URL('../../contract/plan.json', import.meta.url), 'utf8')),
).deployments
if (first === undefined) throw new Error('the golden plan has no deployment')
const planned = first

const golden: Golden = {
  samples: [
    {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 2], data: [3, 6] }],
    },
  ],
  tolerance: 1e-3,
}
const x: Tensors = { x: createTensor('FP32', [1, 2], Float32Array.of(1, 2)) }

/** y = factor · x, by way of a sum over so many equal numbers, which takes its time. */
function network(factor: number, detour: number): Uint8Array {
  const nodes: NodeToWrite[] = [
    { operator: 'ReduceMax', inputs: ['x'], outputs: ['top'], attributes: { keepdims: { integer: 0 } } },
    { operator: 'Expand', inputs: ['top', 'length'], outputs: ['many'] },
    { operator: 'Exp', inputs: ['many'], outputs: ['grown'] },
    { operator: 'ReduceSum', inputs: ['grown'], outputs: ['sum'], attributes: { keepdims: { integer: 0 } } },
    { operator: 'Mul', inputs: ['sum', 'zero'], outputs: ['nothing'] },
    { operator: 'Mul', inputs: ['x', 'factor'], outputs: ['scaled'] },
    { operator: 'Add', inputs: ['scaled', 'nothing'], outputs: ['y'] },
  ]
  const initializers = {
    factor: createTensor('FP32', [1], Float32Array.of(factor)),
    zero: createTensor('FP32', [], Float32Array.of(0)),
    length: createTensor('INT64', [1], BigInt64Array.of(BigInt(detour))),
  }
  const { inputs, outputs } = scaleDescription
  return encodeModel({ opsets: { '': 17 }, graph: { name: 'detour', nodes, initializers, inputs, outputs } })
}

const quick = network(3, 1)
const slow = network(3, 400_000)
const wrong = network(3.5, 1)

const variant = (id: string, providers: ExecutionProvider[]): PlanVariant => ({ id, providers, files: [] })

describe('a version with several variants', () => {
  let served: Served | undefined
  let events: ServedEvent[] = []
  let loaded: string[] = []
  let lose: () => void = () => undefined
  afterEach(async () => {
    await served?.close()
    served = undefined
    events = []
    loaded = []
  })

  async function open(
    networks: Record<string, { bytes: Uint8Array; providers?: ExecutionProvider[] }>,
    more: { kept?: Map<string, KeptChoice>; lacks?: Lacks; hasGolden?: false; absent?: string } = {},
  ): Promise<Served> {
    const variants = Object.entries(networks).map(([id, { providers }]) => variant(id, providers ?? ['wasm']))
    const deployment: PlanDeployment = { ...planned, variants }
    const kept = more.kept ?? new Map<string, KeptChoice>()
    const load = async ({ id }: PlanVariant) => {
      loaded.push(id)
      if (id === more.absent) throw new SelvedgeError('REGISTRY_UNREACHABLE', 'no network')
      return { network: networks[id]?.bytes ?? new Uint8Array(), externalData: [] }
    }
    const chosen = variants.find(({ id }) => id === kept.get(deployment.manifest)?.variant) ?? variants[0]
    if (chosen === undefined) throw new Error('no variant')
    const queue = openQueue()
    served = await openServed(
      {
        deployment,
        description: scaleDescription,
        variant: chosen,
        bytes: await load(chosen),
        ...(more.hasGolden === false ? {} : { golden }),
      },
      {
        openSession,
        providers: ['webgpu', 'wasm'],
        queueOf: () => queue,
        choices: {
          read: async (manifest) => kept.get(manifest),
          write: async (manifest, choice) => void kept.set(manifest, choice),
        },
        lacks: more.lacks,
        reload: async (_, variant) => await load(variant),
        event: (event) => events.push(event),
      },
    )
    return served
  }

  // A device that a test can take away, in front of a real session.
  async function openSession(...[bytes, provider]: Parameters<typeof openNodeSession>): Promise<Session> {
    const session = await openNodeSession(bytes, 'wasm')
    if (provider === 'wasm') return session
    const { promise, resolve } = Promise.withResolvers<void>()
    let isLost = false
    lose = () => {
      isLost = true
      resolve()
    }
    const run: Session['run'] = async (inputs, outputs) => {
      if (isLost) throw new SelvedgeError('DEVICE_LOST', 'gone')
      return await session.run(inputs, outputs)
    }
    return { ...session, provider, lost: promise, run }
  }

  test('takes the faster of two right ones, and says which and by how much', async () => {
    const { lane } = await open({ fp32: { bytes: slow }, int8: { bytes: quick } })
    expect(lane.variant.id).toBe('int8')
    expect(lane.why).toMatch(/^wasm int8, \d+(\.\d)? × wasm fp32, parity 0$/)
    expect(events).toEqual([])
  })

  test('never uses one that is outside tolerance, however fast, and reports it with its provider', async () => {
    const { lane, run } = await open({ int8: { bytes: wrong }, fp32: { bytes: slow } })
    expect(lane.variant.id).toBe('fp32')
    expect(lane.why).toBe('wasm fp32, parity 0, wasm int8 fails parity')
    expect(events).toEqual([{ type: 'parity_failed', variant: 'int8', provider: 'wasm', largest: 1, flips: 0 }])
    expect((await run(x, undefined, {})).outputs.y?.data).toEqual(Float32Array.of(3, 6))
  })

  test('refuses a version of which every variant is outside tolerance', async () => {
    const opening = open({ fp32: { bytes: wrong }, int8: { bytes: wrong } })
    await expect(opening).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' })
    await expect(opening).rejects.toThrow('output y on wasm fp32 differs by 1, at most 0.001 allowed')
  })

  test('loads only the one that was kept, and says that it was compared before', async () => {
    const kept = new Map<string, KeptChoice>()
    const networks = { fp32: { bytes: slow }, int8: { bytes: quick } }
    await open(networks, { kept })
    expect(loaded).toEqual(['fp32', 'int8'])
    loaded = []
    const { lane } = await open(networks, { kept })
    expect(loaded).toEqual(['int8'])
    expect(lane.why).toMatch(/^wasm int8, .* × wasm fp32, parity 0; as last compared$/)
  })

  test('keeps no choice made while a variant could not be fetched', async () => {
    const kept = new Map<string, KeptChoice>()
    const { lane } = await open({ fp32: { bytes: slow }, int8: { bytes: quick } }, { kept, absent: 'int8' })
    expect(lane.why).toBe('wasm fp32, parity 0; not wasm int8: no network')
    expect(kept.size).toBe(0)
  })

  test('takes the first in order where no golden samples decide, and loads no other', async () => {
    const { lane } = await open({ fp32: { bytes: slow }, int8: { bytes: quick } }, { hasGolden: false })
    expect(lane.variant.id).toBe('fp32')
    expect(loaded).toEqual(['fp32'])
  })

  test('F-26: answers with the fastest that passed without a device when the device goes, also at a later start', async () => {
    const kept = new Map<string, KeptChoice>()
    const networks = {
      fp16: { bytes: quick, providers: ['webgpu' as const] },
      fp32: { bytes: slow },
      int8: { bytes: wrong },
    }
    for (const start of ['first', 'later']) {
      await served?.close()
      const now = await open(networks, { kept })
      expect(now.lane.name, start).toBe('webgpu fp16')
      loaded = []
      lose()
      expect((await now.run(x, undefined, {})).outputs.y?.data).toEqual(Float32Array.of(3, 6))
      expect(events).toContainEqual({ type: 'device_lost', variant: 'fp16', provider: 'webgpu', answeredBy: 'wasm' })
      // The one that failed is not even asked for.
      expect(loaded).not.toContain('int8')
    }
    expect([...kept.values()]).toMatchObject([
      { variant: 'fp16', provider: 'webgpu', spare: { variant: 'fp32', provider: 'wasm' } },
    ])
  })

  test('in half precision is for adapters with shader-f16; its files are not even loaded without', async () => {
    const gpu = { name: 'adapter 1', hasShaderF16: false }
    const networks = {
      fp32: { bytes: slow, providers: ['webgpu' as const, 'wasm' as const] },
      fp16: { bytes: quick, providers: ['webgpu' as const] },
    }
    const { lane } = await open(networks, { lacks: (candidate) => webGpuLack(gpu, candidate) })
    expect(lane.variant.id).toBe('fp32')
    expect(lane.why).toContain('not webgpu fp16: the WebGPU adapter (adapter 1) has no shader-f16')
    expect(loaded).toEqual(['fp32'])
    await served?.close()
    const able = await open(networks, { lacks: (candidate) => webGpuLack({ ...gpu, hasShaderF16: true }, candidate) })
    expect(able.lane.name).toBe('webgpu fp16')
  })
})
