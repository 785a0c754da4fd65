/// <reference types="@webgpu/types" />
/** What holds for every device of a page, with a GPU and ONNX Runtime put in their place. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { InferenceSession } from 'onnxruntime-web'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { limits } from '../../../runtime/limits.ts'
import type { Ort } from '../../../runtime/providers/ort.ts'
import { openGpu, openWebSession } from '../../../runtime/providers/web.ts'
import type { Session } from '../../../runtime/scoring/session.ts'
import { createTensor, type Tensors } from '../../../runtime/tensor/tensor.ts'
import { scaleModel } from '../../fixtures/models.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const x = (): Tensors => ({ x: createTensor('FP32', [1, 2], Float32Array.of(1, 2)) })
const deviceLost = { code: 'DEVICE_LOST', message: 'the WebGPU device (acme one) was lost' }

describe('a session on a WebGPU device', () => {
  let lose: () => void
  let destroyed: number
  let model: WeakRef<Uint8Array>
  let run: () => Promise<Record<string, unknown>>

  beforeEach(() => {
    destroyed = 0
    vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => adapter() } })
  })

  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  function adapter() {
    const { promise: lost, resolve } = Promise.withResolvers<void>()
    lose = resolve
    const device = { lost, destroy: () => void destroyed++ }
    return {
      info: { vendor: 'acme', architecture: 'one' },
      features: new Set(),
      limits: {},
      requestDevice: async () => device,
    }
  }

  async function open(): Promise<Session> {
    const session = { outputNames: ['y'], run: () => run(), release: async () => undefined }
    const create = async (bytes: Uint8Array) => {
      model = new WeakRef(bytes)
      return session as unknown as InferenceSession
    }
    const ort: Ort = { InferenceSession: { create }, Tensor: class {} }
    return await openWebSession(ort, await openGpu())({ network: scaleModel(3), externalData: [] }, 'webgpu')
  }

  const output = () => ({ y: { type: 'float32', dims: [1, 2], data: Float32Array.of(3, 6) } })

  test('holds no bytes of its model', async () => {
    const session = await open()
    await vi.waitFor(() => {
      collect()
      expect(model.deref() === undefined).toBe(true)
    })
    run = async () => output()
    await session.run(x())
  })

  test('holds nothing of the runs that ended', async () => {
    const session = await open()
    const held: WeakRef<object>[] = []
    run = async () => {
      const outputs = output()
      held.push(new WeakRef(outputs.y.data))
      return outputs
    }
    for (let i = 0; i < 10; i++) await session.run(x())
    await vi.waitFor(() => {
      collect()
      expect(held.map((each) => each.deref() === undefined)).toEqual(Array(10).fill(true))
    })
    expect(await session.run(x())).toMatchObject({ y: { data: Float32Array.of(3, 6) } })
  })

  test('refuses what runs when the device is lost, and all that comes', async () => {
    const session = await open()
    run = () => new Promise(() => undefined)
    const running = session.run(x())
    lose()
    await expect(running).rejects.toMatchObject(deviceLost)
    run = async () => output()
    await expect(session.run(x())).rejects.toMatchObject(deviceLost)
    await session.lost
  })

  test('gives no answer of a device that was lost meanwhile', async () => {
    const session = await open()
    run = async () => {
      lose()
      await Promise.resolve()
      return output()
    }
    await expect(session.run(x())).rejects.toMatchObject(deviceLost)
  })

  test('refuses a run that failed because of a loss that is told later', async () => {
    const session = await open()
    run = async () => {
      setTimeout(lose)
      throw new Error('mapAsync failed')
    }
    await expect(session.run(x())).rejects.toMatchObject(deviceLost)
  })

  test('says why a run failed whose device is there', async () => {
    const session = await open()
    run = () => Promise.reject(new Error('no such shape'))
    await expect(session.run(x())).rejects.toMatchObject({ code: 'RUN_FAILED' })
  })

  test('destroys a device that hangs', async () => {
    const session = await open()
    vi.useFakeTimers()
    run = () => new Promise(() => undefined)
    const running = session.run(x())
    const refused = expect(running).rejects.toMatchObject(deviceLost)
    await vi.advanceTimersByTimeAsync(limits.runMs)
    await refused
    expect(destroyed).toBe(1)
  })
})
