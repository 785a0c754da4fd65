import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type RunningRegistry, startRegistry } from '../fixtures/registry.ts'
import { type Ran, runCommand } from './command.ts'

describe('selvedge assignment', { timeout: 30_000 }, () => {
  let registry: RunningRegistry
  let folder: string

  const assignment = (...args: string[]): Promise<Ran> =>
    runCommand(['assignment', 'e', ...args], { env: { SELVEDGE_REGISTRY: registry.url } })

  beforeEach(async () => {
    registry = await startRegistry()
    folder = await mkdtemp(join(tmpdir(), 'selvedge-assignment-'))
  })

  afterEach(async () => {
    await registry[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  test('shows what is, sets what it names and keeps the rest', async () => {
    const shown = await assignment()
    expect(shown.stdout).toBe('scheme    murmur3-ppm-1\nsalt      e:1\naudience  everybody\n')
    const file = join(folder, 'audience.json')
    await writeFile(file, '{"where":[{"attribute":"country","equals":"de"}],"otherwise":"blue"}')
    await assignment('--audience', file)
    const { stdout } = await assignment('--scheme', 'growthbook-2', '--salt', 'checkout-test')
    expect(stdout).toBe(
      'scheme    growthbook-2\nsalt      checkout-test\naudience  {"attribute":"country","equals":"de"}; the others get blue\n',
    )
    expect((await assignment('--audience', 'everybody')).stdout).toContain('audience  everybody\n')
  })

  test('refuses an audience that is none, and says why', async () => {
    const file = join(folder, 'audience.json')
    await writeFile(file, '{"where":[]}')
    const { code, stderr } = await assignment('--audience', file)
    expect(code).toBe(2)
    expect(stderr).toContain('is no audience')
    expect(stderr).toContain('otherwise')
  })
})
