/** A baseline that is made later than its version. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Listener, listen } from '../../../registry/listener.ts'
import { openRegistry, type Registry } from '../../../registry/registry.ts'
import { encodeModel } from '../../../runtime/onnx/writer.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'
import { runCommand, runJson } from './command.ts'

const network = encodeModel({
  opsets: { '': 17 },
  graph: {
    name: 'linear',
    inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 2] }],
    outputs: [{ name: 'p', datatype: 'FP32', shape: ['N', 2] }],
    initializers: { w: createTensor('FP32', [2, 2], Float32Array.of(1, 0, 0, 1)) },
    nodes: [
      { operator: 'MatMul', inputs: ['x', 'w'], outputs: ['z'] },
      { operator: 'Softmax', inputs: ['z'], outputs: ['p'] },
    ],
  },
})

describe('selvedge baseline', () => {
  let folder: string
  let registry: Registry
  let listener: Listener
  let env: Record<string, string>
  const at = (name: string) => join(folder, name)

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'selvedge-later-'))
    registry = await openRegistry({ dataDir: at('data') })
    listener = await listen(registry, '127.0.0.1', 0)
    env = { SELVEDGE_REGISTRY: listener.url, XDG_CACHE_HOME: at('cache') }
    await writeFile(at('model.onnx'), network)
    await writeFile(at('tokenizer.json'), '{}')
    await writeFile(at('rows.jsonl'), '{"a":1,"b":2,"y":1}\n{"a":2,"b":1,"y":0}\n')
  })
  afterAll(async () => {
    registry.drain()
    await listener.close(0)
    await registry.close()
    await rm(folder, { recursive: true })
  })

  const json = (...args: string[]) => runJson(args, env)

  test('makes the next version of the same files, which has a profile', async () => {
    const pushed = await json('push', 'pair', at('model.onnx'), at('tokenizer.json'), '--tag', 'team=risk')
    expect(pushed).toMatchObject({ version: 1, hasProfile: false })
    const args = ['baseline', 'pair@1', at('rows.jsonl'), '--outcome', 'y', '--features', 'a,b']
    expect(await json(...args)).toMatchObject({
      from: 1,
      version: 2,
      registered: true,
      hasProfile: true,
      hasGolden: true,
    })
    const before = await json('show', 'pair@1')
    const after = await json('show', 'pair@2')
    expect([before.hasProfile, after.hasProfile]).toEqual([false, true])
    expect(after.tags).toEqual({ team: 'risk' })
    expect(after.why).toBe('baseline rows.jsonl for version 1')
    const digestOf = (shown: typeof after, path: string) =>
      shown.files.find((file: { path: string }) => file.path === path)?.digest
    for (const path of ['model.onnx', 'tokenizer.json']) {
      expect(digestOf(after, path)).toMatch(/^sha256:/)
      expect(digestOf(after, path)).toBe(digestOf(before, path))
    }
    // The same again is the same version.
    expect(await json(...args)).toMatchObject({ version: 2, registered: false, sentBytes: 0 })
  }, 60_000)

  test('refuses rows without a column of the version, and makes no version', async () => {
    await writeFile(at('other.csv'), 'a,c\n1,2\n')
    const { code, stderr } = await runCommand(['baseline', 'pair@2', at('other.csv')], { env })
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('no column "b"; the file has: a, c') })
    expect((await json('show', 'pair')).version).toBe(2)
  }, 60_000)
})
