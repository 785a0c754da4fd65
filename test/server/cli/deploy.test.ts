import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type RunningRegistry, startRegistry } from '../fixtures/registry.ts'
import { type Ran, runCommand } from './command.ts'

describe('selvedge deploy', { timeout: 30_000 }, () => {
  let registry: RunningRegistry

  const deploy = (...args: string[]): Promise<Ran> =>
    runCommand(['deploy', 'e/green', ...args], { env: { SELVEDGE_REGISTRY: registry.url } })

  async function resources(): Promise<unknown> {
    const answer = await registry.fixture.request('/api/v1/endpoints/e/deployments/green')
    return ((await answer.json()) as { resources?: unknown }).resources
  }

  beforeEach(async () => {
    registry = await startRegistry()
  })

  afterEach(async () => {
    await registry[Symbol.asyncDispose]()
  })

  test('fixes the resources that it names and says so', async () => {
    const flags = '--scorers 1 --threads 2 --memory 512 --batch-rows 32 --batch-delay 2.5'
    const { code, stdout } = await deploy('--model', 'a@2', ...flags.split(' '))
    expect(code).toBe(0)
    expect(stdout).toContain(
      'e/green serves a@2 within scorers 1, threads 2, memoryMiB 512, batchRows 32, batchDelayMs 2.5 and takes 0 %',
    )
    expect(await resources()).toEqual({ scorers: 1, threads: 2, memoryMiB: 512, batchRows: 32, batchDelayMs: 2.5 })
  })

  test('leaves those that it does not name as they were, and takes back those that are to be default', async () => {
    await deploy('--model', 'a@2', '--threads', '2', '--scorers', '1')
    await deploy('--model', 'a@1', '--threads', 'default', '--memory', '64')
    expect(await resources()).toEqual({ scorers: 1, memoryMiB: 64 })
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
