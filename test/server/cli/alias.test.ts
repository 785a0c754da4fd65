/** `selvedge alias`, against a registry. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Listener, listen } from '../../../registry/listener.ts'
import { openRegistry, type Registry } from '../../../registry/registry.ts'
import { openClient } from '../../../server/cli/client.ts'
import { openOutput } from '../../../server/cli/output.ts'
import { pushVersion } from '../../../server/cli/version/push.ts'
import { scaleModel } from '../../fixtures/models.ts'
import { runCommand } from './command.ts'

let folder: string
let registry: Registry
let listener: Listener
let env: Record<string, string>

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-alias-'))
  registry = await openRegistry({ dataDir: join(folder, 'data'), probe: async () => ({}) })
  listener = await listen(registry, '127.0.0.1', 0)
  env = { SELVEDGE_REGISTRY: listener.url, XDG_CACHE_HOME: folder }
  const server = { what: 'registry', base: `${listener.url}/` } as const
  const context = { registry: server, client: openClient(server), output: openOutput(true) }
  for (const factor of [1, 2]) {
    const file = join(folder, `${factor}.onnx`)
    writeFileSync(file, scaleModel(factor))
    await pushVersion(context, 'm', [file], { tags: {} })
  }
})

afterAll(async () => {
  registry.drain()
  await listener.close(0)
  await registry.close()
  rmSync(folder, { recursive: true, force: true })
})

test('moves, shows every move, and tells what was', async () => {
  expect((await runCommand(['alias', 'm', 'champion', '1'], { env })).stdout).toBe('m@champion points to version 1.\n')
  const between = new Date().toISOString()
  const second = await runCommand(['alias', 'm', 'champion', '2', '--why', 'better'], { env })
  expect(second).toMatchObject({ code: 0, stdout: 'm@champion points to version 2.\n' })
  const { stdout } = await runCommand(['alias', 'm', 'champion'], { env })
  expect(stdout.split('\n').map((line) => line.trim().split(/ {2,}/)[0])).toEqual(['VERSION', '2', '1', ''])
  const then = await runCommand(['alias', 'm', 'champion', '--at', between], { env })
  expect(then.stdout).toBe(`m@champion pointed to version 1 at ${between}.\n`)
})

test('to a version that is not there is refused', async () => {
  const { code, stderr } = await runCommand(['alias', 'm', 'champion', '9'], { env })
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('has no version 9') })
})
