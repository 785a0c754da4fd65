import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Golden } from '../../../runtime/contract/golden.ts'
import type { ExecutionProvider } from '../../../runtime/contract/names.ts'
import { plan as planSchema } from '../../../runtime/contract/plan.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { KeptChoice } from '../../../runtime/scoring/choice.ts'
import { openQueue } from '../../../runtime/scoring/queue.ts'
import { openServed, type Served, type ServedEvent } from '../../../runtime/scoring/served.ts'
import type { OpenSession, Session } from '../../../runtime/scoring/session.ts'
import { createTensor, type Tensors } from '../../../runtime/tensor/tensor.ts'
import { scaleDescription, scaleModel } from '../../fixtures/models.ts'

const [deployment] = planSchema.parse(
  JSON.parse(readFileSync(new URL('../../contract/plan.json', import.meta.url), 'utf8')),
).deployments
const golden: Golden = {
  samples: [
    {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 2], data: [3, 6] }],
    },
  ],
  tolerance: 1e-3,
}
const bothProviders = { id: 'fp32', providers: ['webgpu' as const, 'wasm' as const], files: [] }
const x = (value = 1): Tensors => ({ x: createTensor('FP32', [1, 2], Float32Array.of(value, 2 * value)) })

interface Kernel {
  /** What it multiplies by; 3 is right. */
  factor?: number
  /** Resolved when the device of this kernel is gone. */
  device?: { lose(): void; lost: Promise<void>; isLost: boolean }
  /** How long a run takes. */
  runMs?: number
}

function openDevice(): NonNullable<Kernel['device']> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const device = {
    isLost: false,
    lost: promise,
    lose() {
      device.isLost = true
      resolve()
    },
  }
  return device
}

/** Sessions that multiply, with a device that a test can take away. */
function sessionsOf(kernels: Partial<Record<ExecutionProvider, () => Kernel>>): OpenSession {
  return async (_, provider) => {
    const kernel = kernels[provider]?.()
    if (kernel === undefined) throw new SelvedgeError('PROVIDER_UNAVAILABLE', 'not here')
    const { device, factor = 3, runMs = 0 } = kernel
    const session: Session = {
      provider,
      async run({ x }) {
        if (device?.isLost) throw new SelvedgeError('DEVICE_LOST', 'gone')
        const until = performance.now() + runMs
        while (performance.now() < until) await Promise.resolve()
        await Promise.resolve()
        if (device?.isLost) throw new SelvedgeError('DEVICE_LOST', 'gone')
        if (x?.datatype !== 'FP32') throw new Error('no input x')
        return {
          y: createTensor(
            'FP32',
            x.shape,
            x.data.map((value) => factor * value),
          ),
        }
      },
      close: async () => undefined,
      ...(device && { lost: device.lost }),
    }
    return session
  }
}

describe('a served version', () => {
  let served: Served | undefined
  let events: ServedEvent[] = []
  afterEach(async () => {
    await served?.close()
    served = undefined
    events = []
  })

  async function open(openSession: OpenSession, kept?: Map<string, KeptChoice>): Promise<Served> {
    if (deployment === undefined) throw new Error('the golden plan has no deployment')
    const queues = new Map<ExecutionProvider, ReturnType<typeof openQueue>>()
    const bytes = { network: scaleModel(3), externalData: [] }
    const loaded = { deployment, description: scaleDescription, golden, variant: bothProviders, bytes }
    served = await openServed(loaded, {
      openSession,
      providers: ['webgpu', 'wasm'],
      queueOf: (provider) => queues.get(provider) ?? queues.set(provider, openQueue()).get(provider) ?? openQueue(),
      ...(kept && {
        choices: {
          read: async (key) => kept.get(key),
          write: async (key, choice) => void kept.set(key, choice),
        },
      }),
      reload: async () => bytes,
      event: (event) => events.push(event),
    })
    return served
  }

  const output = async (served: Served, value: number) => (await served.run(x(value), undefined, {})).outputs.y?.data

  test('takes the faster of two right providers, says by how much, and remembers it', async () => {
    const kept = new Map<string, KeptChoice>()
    const kernels = { webgpu: () => ({ runMs: 8 }), wasm: () => ({ runMs: 1 }) }
    const { lane } = await open(sessionsOf(kernels), kept)
    expect(lane.provider).toBe('wasm')
    expect(lane.why).toMatch(/^wasm, \d+(\.\d)? × webgpu, parity 0$/)
    expect([...kept.values()]).toMatchObject([{ variant: 'fp32', provider: 'wasm' }])
    let opened = 0
    const counting: OpenSession = async (bytes, provider) => {
      opened++
      return await sessionsOf(kernels)(bytes, provider)
    }
    expect((await open(counting, kept)).lane.provider).toBe('wasm')
    expect(opened).toBe(1)
  })

  test('never uses a provider whose kernel is wrong, however fast, and reports it', async () => {
    const kernels = { webgpu: () => ({ factor: 3.01 }), wasm: () => ({ runMs: 5 }) }
    const served = await open(sessionsOf(kernels), new Map())
    expect(served.lane.provider).toBe('wasm')
    expect(served.lane.why).toContain('webgpu fails parity')
    expect(events).toMatchObject([{ type: 'parity_failed', provider: 'webgpu', largest: expect.closeTo(0.02, 3) }])
  })

  test('never uses a provider that gives NaN or zeros', async () => {
    for (const factor of [Number.NaN, 0]) {
      const served = await open(sessionsOf({ webgpu: () => ({ factor }), wasm: () => ({ runMs: 5 }) }), new Map())
      expect(served.lane.provider).toBe('wasm')
    }
  })

  test('asks again when the provider that was kept is wrong now', async () => {
    const kept = new Map<string, KeptChoice>()
    await open(sessionsOf({ webgpu: () => ({}), wasm: () => ({ runMs: 5 }) }), kept)
    expect([...kept.values()]).toMatchObject([{ provider: 'webgpu' }])
    const served = await open(sessionsOf({ webgpu: () => ({ factor: 2 }), wasm: () => ({ runMs: 5 }) }), kept)
    expect([served.lane, ...kept.values()]).toMatchObject([{ provider: 'wasm' }, { provider: 'wasm' }])
  })

  test('holds no bytes of its model once a session has them', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const held = await openReleased()
    await vi.waitFor(() => {
      collect()
      expect(held.deref() === undefined).toBe(true)
    })
    expect(await output(held.served, 1)).toEqual(Float32Array.of(3, 6))
  })

  // A function of its own: no variable of the test may see the bytes.
  async function openReleased(): Promise<{ served: Served; deref(): unknown }> {
    if (deployment === undefined) throw new Error('the golden plan has no deployment')
    const bytes = { network: new Uint8Array(scaleModel(3)), externalData: [] }
    const weak = new WeakRef(bytes.network)
    const queue = openQueue()
    const loaded = { deployment, description: scaleDescription, golden, variant: bothProviders, bytes }
    served = await openServed(loaded, {
      openSession: sessionsOf({ wasm: () => ({}) }),
      providers: ['wasm'],
      queueOf: () => queue,
    })
    return { served, deref: () => weak.deref() }
  }

  test('F-26: whenever the device goes, every request is answered, right, and the device is warmed again behind it', async () => {
    const devices = [openDevice()]
    const webgpu = () => ({ device: devices.at(-1) ?? openDevice() })
    const served = await open(sessionsOf({ webgpu, wasm: () => ({}) }))
    expect(served.lane.provider).toBe('webgpu')
    const before = [1, 2, 3].map((value) => output(served, value))
    devices.push(openDevice())
    devices[0]?.lose()
    const after = [4, 5, 6].map((value) => output(served, value))
    const answers = await Promise.all([...before, ...after])
    expect(answers).toEqual([1, 2, 3, 4, 5, 6].map((value) => Float32Array.of(3 * value, 6 * value)))
    await vi.waitFor(() => expect(served.lane.provider).toBe('webgpu'))
    expect(events.map(({ type }) => type)).toEqual(['device_lost', 'device_recovered'])
    expect(await output(served, 7)).toEqual(Float32Array.of(21, 42))
  })

  test('F-26: a device that goes while nothing runs is replaced before the next request', async () => {
    const devices = [openDevice()]
    const served = await open(
      sessionsOf({ webgpu: () => ({ device: devices.at(-1) ?? openDevice() }), wasm: () => ({}) }),
    )
    devices.push(openDevice())
    devices[0]?.lose()
    await vi.waitFor(() => expect(events.map(({ type }) => type)).toContain('device_recovered'))
    expect(served.lane.provider).toBe('webgpu')
  })

  test('a device that is lost again and again is given up after three times', async () => {
    let device = openDevice()
    const served = await open(sessionsOf({ webgpu: () => ({ device }), wasm: () => ({}) }))
    for (let loss = 1; loss <= 4; loss++) {
      const lost = device
      device = openDevice()
      lost.lose()
      await vi.waitFor(() => expect(events.filter(({ type }) => type === 'device_lost')).toHaveLength(loss))
      if (loss <= 3) await vi.waitFor(() => expect(served.lane.provider).toBe('webgpu'))
    }
    expect(await output(served, 1)).toEqual(Float32Array.of(3, 6))
    expect(served.lane.provider).toBe('wasm')
    expect(served.lane.why).toBe('wasm: webgpu lost its device')
  })
})
