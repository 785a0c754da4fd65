import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bytesOf, pushModel } from '../../registry/fixture.ts'
import { type RunningRegistry, startRegistry } from '../fixtures/registry.ts'
import { scaling } from '../fixtures/served.ts'
import { type Ran, runCommand } from './command.ts'

/** `twice`, then `a@1`. */
const ensemble = {
  steps: [
    { model: 'twice', version: 1, inputs: { x: 'raw' }, outputs: { y: 'mid' } },
    { model: 'a', version: 1, inputs: { x: 'mid' }, outputs: { y: 'answer' } },
  ],
  outputs: ['answer'],
}

describe('selvedge deploy', { timeout: 30_000 }, () => {
  let registry: RunningRegistry
  let folder: string

  const deploy = (...args: string[]): Promise<Ran> =>
    runCommand(['deploy', 'e/green', ...args], { env: { SELVEDGE_REGISTRY: registry.url } })

  async function fileOf(document: unknown): Promise<string> {
    const file = join(folder, 'steps.json')
    await writeFile(file, JSON.stringify(document))
    return file
  }

  async function resources(): Promise<unknown> {
    const answer = await registry.fixture.request('/api/v1/endpoints/e/deployments/green')
    return ((await answer.json()) as { resources?: unknown }).resources
  }

  beforeEach(async () => {
    registry = await startRegistry()
    folder = await mkdtemp(join(tmpdir(), 'selvedge-deploy-'))
  })

  afterEach(async () => {
    await registry[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  test('fixes the resources that it names and says so', async () => {
    const flags = '--scorers 1 --threads 2 --memory 512 --batch-rows 32 --batch-delay 2.5'
    const { code, stdout } = await deploy('--model', 'a@2', ...flags.split(' '))
    expect(code).toBe(0)
    expect(stdout).toContain(
      'e/green serves a@2 within batchRows 32, batchDelayMs 2.5, threads 2, memoryMiB 512, scorers 1 and takes 0 %',
    )
    expect(await resources()).toEqual({ scorers: 1, threads: 2, memoryMiB: 512, batchRows: 32, batchDelayMs: 2.5 })
  })

  test('leaves those that it does not name as they were, and takes back those that are to be default', async () => {
    await deploy('--model', 'a@2', '--threads', '2', '--scorers', '1')
    await deploy('--model', 'a@1', '--threads', 'default', '--memory', '64')
    expect(await resources()).toEqual({ scorers: 1, memoryMiB: 64 })
  })

  test('serves an ensemble of the versions that a file names', async () => {
    const { network, description } = scaling(2)
    const files = { 'model.onnx': new Uint8Array(network), 'selvedge.json': bytesOf(description) }
    await pushModel(registry.fixture, 'twice', '1', files)
    const { code, stdout } = await deploy('--ensemble', await fileOf(ensemble), '--threads', '2')
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('serves twice@1 → a@1 within threads 2'),
    })
    const answer = await registry.fixture.request('/api/v1/endpoints/e/deployments/green')
    expect(await answer.json()).toMatchObject({ kind: 'ensemble', steps: ensemble.steps, resources: { threads: 2 } })
    const { stdout: status } = await runCommand(['status', 'e'], { env: { SELVEDGE_REGISTRY: registry.url } })
    expect(status).toMatch(/e\/green +twice@1 → a@1 within threads 2/)
  })

  test.each([
    ['neither a model nor an ensemble', () => [], "'--model' or '--ensemble'"],
    ['both', async () => ['--model', 'a', '--ensemble', await fileOf(ensemble)], "'--model' or '--ensemble'"],
    ['a file that is not there', () => ['--ensemble', '/nonexistent.json'], 'is not there or cannot be read'],
    ['a file that is no ensemble', async () => ['--ensemble', await fileOf({ steps: [{}] })], 'steps.0.model'],
  ])('refuses %s before it changes anything', async (_, args, why) => {
    const { code, stderr } = await deploy(...(await args()))
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(why) })
    const answer = await registry.fixture.request('/api/v1/endpoints/e/deployments/green')
    expect(await answer.json()).toMatchObject({ model: 'a', version: 2 })
  })

  test.each([
    ['--threads', '0'],
    ['--threads', 'many'],
    ['--batch-delay', '-1'],
  ])('refuses %s %s before it asks the registry', async (...flags) => {
    const { code, stderr } = await deploy('--model', 'a@1', ...flags)
    expect(code).toBe(2)
    expect(stderr).toContain('or "default"')
    expect(await resources()).toBeUndefined()
  })
})
