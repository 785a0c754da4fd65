/** Pushing and pulling as a person does: processes, Ctrl-C, a registry on a socket, a line that is counted. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Listener, listen } from '../../../registry/listener.ts'
import { openRegistry, type Registry } from '../../../registry/registry.ts'
import { encodeModel } from '../../../runtime/onnx/writer.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'
import { runCommand, runJson, startCommand } from './command.ts'
import { type Line, openLine } from './line.ts'

const MiB = 1024 ** 2
const chunk = 4 * MiB
const largeBytes = 22 * MiB

describe('transfers of the command line', () => {
  let folder: string
  let registry: Registry
  let listener: Listener
  let line: Line
  let env: Record<string, string>
  const at = (name: string) => join(folder, name)

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'selvedge-transfer-'))
    registry = await openRegistry({ dataDir: at('data') })
    listener = await listen(registry, '127.0.0.1', 0)
    line = await openLine(listener.url)
    env = { SELVEDGE_REGISTRY: line.url, XDG_CACHE_HOME: at('cache') }
    await mkdir(at('model'))
    await writeFile(at('model/model.onnx'), network)
    await writeFile(at('large.bin'), randomBytes(largeBytes))
    await writeFile(at('tokenizer.json'), '{}')
  })
  afterAll(async () => {
    await line[Symbol.asyncDispose]()
    registry.drain()
    await listener.close(0)
    await registry.close()
    await rm(folder, { recursive: true })
  })

  const json = (...args: string[]) => runJson(args, env)

  test('a push that Ctrl-C ended sends only the rest when it is called again', async () => {
    const args = ['push', 'large', at('model/model.onnx'), at('large.bin'), at('tokenizer.json')]
    const held = line.holdAfter(10 * MiB, 'up')
    const first = startCommand(args, env)
    const said = text(first.stderr as NodeJS.ReadableStream)
    await held
    first.kill('SIGINT')
    const [, signal] = await once(first, 'exit')
    expect({ signal, said: await said }).toEqual({
      signal: 'SIGINT',
      said: 'Stopped. The same command goes on from here.\n',
    })
    line.cut()
    line.release()
    const before = line.upBytes
    expect(await readdir(at('cache/selvedge/uploads'))).toHaveLength(1)

    const pushed = await json(...args)
    expect(pushed).toMatchObject({ version: 1, registered: true, resumedBytes: 2 * chunk })
    // The rest, and a part once more where the registry had not yet seen that the first run is gone.
    expect(line.upBytes - before).toBeLessThan(largeBytes - chunk + 64 * 1024)
    expect(await readdir(at('cache/selvedge/uploads'))).toEqual([])
    expect(await json(...args)).toEqual({ ...pushed, registered: false, sentBytes: 0, resumedBytes: 0 })
  }, 60_000)

  test('files named one by one are in the version, and pull brings them back as they were', async () => {
    const args = ['push', 'named', at('model/model.onnx'), at('large.bin'), at('tokenizer.json')]
    await json(...args)
    const before = line.downBytes
    const pulled = await json('pull', 'named@1', '--out', at('pulled'))
    expect(pulled.files.map(({ path }: { path: string }) => path)).toEqual([
      'model.onnx',
      'selvedge.json',
      'large.bin',
      'tokenizer.json',
    ])
    const total = pulled.files.reduce((sum: number, { size }: { size: number }) => sum + size, 0)
    expect(pulled.fetchedBytes).toBe(total)
    expect(line.downBytes - before).toBeLessThan(total + 64 * 1024)
    expect((await readdir(at('pulled'))).sort()).toEqual(['large.bin', 'model.onnx', 'selvedge.json', 'tokenizer.json'])
    expect((await readFile(at('pulled/large.bin'))).equals(await readFile(at('large.bin')))).toBe(true)

    expect(await json('pull', 'named@1', '--out', at('pulled'))).toEqual({ ...pulled, fetchedBytes: 0 })
    await writeFile(at('pulled/tokenizer.json'), 'mine')
    const { code, stderr } = await runCommand(['pull', 'named', '--out', at('pulled')], { env })
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining('tokenizer.json" is there with other content: name another folder with --out'),
    })
    expect(await readFile(at('pulled/tokenizer.json'), 'utf8')).toBe('mine')
  }, 60_000)

  test('an alias names a version for show, pull and deploy, until it is moved', async () => {
    const args = ['push', 'aliased', at('model/model.onnx')]
    const one = await json(...args, '--tag', 'team=vision', '--why', 'First')
    await json(...args, '--why', 'Second')
    await putAlias('aliased', 'champion', one.manifest)
    expect(await json('deploy', 'aliased/blue', '--model', 'aliased@champion')).toMatchObject({
      deployment: { version: 1 },
      percent: 100,
    })
    expect(await json('show', 'aliased@champion')).toMatchObject({
      version: 1,
      newestVersion: 2,
      manifest: one.manifest,
      tags: { team: 'vision' },
      why: 'First',
      aliases: ['champion'],
      served: [{ endpoint: 'aliased', deployment: 'blue', percent: 100, shadowPercent: 0 }],
      files: [{ path: 'model.onnx', size: network.length }, { path: 'selvedge.json' }],
    })
    expect(await json('show', 'aliased')).toMatchObject({ version: 2, aliases: [], served: [] })
    expect(await json('pull', 'aliased@champion', '--out', at('champion'))).toMatchObject({ version: 1 })
    const { code, stderr } = await runCommand(['show', 'aliased@challenger'], { env })
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^NOT_FOUND: model aliased has no alias "challenger"\n→ .*\n$/),
    })
  }, 60_000)

  test('models lists what was pushed', async () => {
    await json('push', 'listed', at('model/model.onnx'))
    expect(await json('models')).toContainEqual(expect.objectContaining({ name: 'listed', latestVersion: 1 }))
    const { stdout } = await runCommand(['models'], { env })
    expect(stdout).toMatch(/^MODEL +VERSION +TAGS +MADE\n(.*\n)*listed +1 +\d+ s ago\n/)
  }, 60_000)

  async function putAlias(model: string, alias: string, digest: string): Promise<void> {
    const manifests = `${listener.url}/v2/${model}/manifests/`
    const manifest = await fetch(`${manifests}${digest}`)
    const headers = { 'content-type': manifest.headers.get('content-type') ?? '' }
    const answer = await fetch(`${manifests}${alias}`, { method: 'PUT', headers, body: await manifest.bytes() })
    expect(answer.status).toBe(201)
  }
})

const network = encodeModel({
  opsets: { '': 17 },
  graph: {
    name: 'linear',
    inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 2] }],
    outputs: [{ name: 'p', datatype: 'FP32', shape: ['N', 2] }],
    initializers: { w: createTensor('FP32', [2, 2], Float32Array.of(1, 0, 0, 1)) },
    nodes: [{ operator: 'MatMul', inputs: ['x', 'w'], outputs: ['p'] }],
  },
})
