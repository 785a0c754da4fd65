/** A version is loaded and run once before it is deployed. */
import { describe, expect, test } from 'vitest'
import { probe, type RunProbe } from '../../../registry/probe/probe.ts'
import { bytesOf, type Fixture, linearDescription, linearFiles, openFixture, pushModel, sendJson } from '../fixture.ts'

const golden = (y: number) =>
  bytesOf({
    tolerance: 1e-5,
    samples: [
      {
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 1] }],
        outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [y] }],
      },
    ],
  })

async function probeOf(fixture: Fixture, version: number): Promise<{ state: string; why?: string }> {
  const answer = await fixture.request(`/api/v1/models/a/versions/${version}`)
  return ((await answer.json()) as { probe: { state: string; why?: string } }).probe
}

const deploy = (fixture: Fixture, version: number) =>
  sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version })

describe('a version', () => {
  test('that loads and gives its golden outputs is deployed, and says that it passed', async () => {
    await using fixture = await openFixture({ probe })
    await pushModel(fixture, 'a', '1', { ...linearFiles([1, 2]), 'golden.json': golden(3) })
    expect((await deploy(fixture, 1)).status).toBe(201)
    expect(await probeOf(fixture, 1)).toEqual({ state: 'passed', ort: '1.30.0', at: expect.any(String) })
  })

  test('that misses its golden outputs is registered, says why, and is not deployed', async () => {
    await using fixture = await openFixture({ probe })
    expect((await pushModel(fixture, 'a', '1', { ...linearFiles([1, 2]), 'golden.json': golden(4) })).status).toBe(201)
    const refused = await deploy(fixture, 1)
    expect(refused.status).toBe(422)
    expect(await refused.json()).toMatchObject({
      type: 'VERSION_REFUSED',
      detail: expect.stringMatching(/differs by 1/),
    })
    expect(await probeOf(fixture, 1)).toMatchObject({ state: 'failed', why: expect.stringMatching(/^GOLDEN_MISMATCH/) })
    expect((await fixture.request('/api/v1/endpoints/e')).status).toBe(404)
  })

  test('whose process dies is refused', async () => {
    await using fixture = await openFixture({
      probe: async () => ({ died: 'it ended the process that loaded it (SIGSEGV)' }),
    })
    await pushModel(fixture, 'a', '1')
    expect((await deploy(fixture, 1)).status).toBe(422)
  })

  test('is probed once, whoever waits for it', async () => {
    let probes = 0
    const probe: RunProbe = async () => {
      probes++
      return {}
    }
    await using fixture = await openFixture({ probe })
    await pushModel(fixture, 'a', '1')
    await Promise.all([deploy(fixture, 1), deploy(fixture, 1), deploy(fixture, 1)])
    await deploy(fixture, 1)
    expect(probes).toBe(1)
  })

  test('that was pushed before the registry ended is probed by the next one', async () => {
    let ends = true
    const probe: RunProbe = async ({ signal }): ReturnType<RunProbe> => {
      if (!ends) return {}
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return { died: 'it was ended' }
    }
    await using fixture = await openFixture({ probe })
    await pushModel(fixture, 'a', '1')
    expect(await probeOf(fixture, 1)).toEqual({ state: 'pending' })
    const restarted = fixture.restart()
    ends = false
    await restarted
    await expect.poll(() => probeOf(fixture, 1)).toMatchObject({ state: 'passed' })
  })

  test('that a deployment waits for is not kept waiting by those that nobody waits for', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const probe: RunProbe = async ({ files, signal }): ReturnType<RunProbe> => {
      if (files[0]?.path !== 'slow.onnx') return {}
      begin()
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return { died: 'it was ended' }
    }
    await using fixture = await openFixture({ probe })
    const { 'model.onnx': network = new Uint8Array() } = linearFiles()
    await pushModel(fixture, 'slow', '1', { 'slow.onnx': network })
    await begun
    await pushModel(fixture, 'a', '1')
    expect((await deploy(fixture, 1)).status).toBe(201)
    expect(await probeOf(fixture, 1)).toMatchObject({ state: 'passed' })
  })

  test('whose operators WASM lacks is left to its hosts where it is not made for WASM', async () => {
    const refused = { refused: { code: 'OPERATOR_UNKNOWN', message: 'no such operator' } }
    await using fixture = await openFixture({ probe: async () => refused })
    await pushModel(fixture, 'a', '1', filesFor(['cpu']))
    expect((await deploy(fixture, 1)).status).toBe(201)
    await pushModel(fixture, 'a', '2', filesFor(['wasm', 'cpu']))
    expect((await deploy(fixture, 2)).status).toBe(422)
  })

  test('for cuda alone says that it was not probed, and is deployed', async () => {
    const probe = () => Promise.reject(new Error('nothing is to be probed'))
    await using fixture = await openFixture({ probe })
    await pushModel(fixture, 'a', '1', filesFor(['cuda']))
    expect((await deploy(fixture, 1)).status).toBe(201)
    expect(await probeOf(fixture, 1)).toMatchObject({ state: 'skipped', why: expect.stringContaining('neither wasm') })
  })

  test('that failed on a busy machine is probed again when it is deployed', async () => {
    const found: Awaited<ReturnType<RunProbe>>[] = [{ died: 'it did not load and run within 90 s' }]
    await using fixture = await openFixture({ probe: async () => found.shift() ?? {} })
    await pushModel(fixture, 'a', '1')
    await expect.poll(() => probeOf(fixture, 1)).toMatchObject({ state: 'failed' })
    expect((await deploy(fixture, 1)).status).toBe(201)
    expect(await probeOf(fixture, 1)).toMatchObject({ state: 'passed' })
  })
})

function filesFor(providers: string[]) {
  const variants = [{ id: 'fp32', file: 'model.onnx', providers }]
  return { ...linearFiles(), 'selvedge.json': bytesOf({ ...linearDescription, variants }) }
}
