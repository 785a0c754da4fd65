/** `selvedge serve` beside a registry. */
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { startRegistry } from '../fixtures/registry.ts'
import { runCommand, startCommand, startedOf } from './command.ts'

describe('selvedge serve', () => {
  test("with --compat triton answers with the texts of Triton's server, and knows no other", async () => {
    await using registry = await startRegistry()
    const env = { SELVEDGE_REGISTRY: registry.url }
    const serve = ['serve', '--scoring-port', '0', '--scorers', '1', '--json', '--compat']
    const child = startCommand([...serve, 'triton'], env)
    const ended = once(child, 'exit')
    try {
      const { scoring } = await startedOf(child)
      expect(await (await fetch(`${scoring}v2`)).json()).toMatchObject({ name: 'triton' })
    } finally {
      child.kill('SIGTERM')
      await ended
    }
    const { code, stderr } = await runCommand([...serve, 'kserve'], { env })
    expect(code).not.toBe(0)
    expect(stderr).toContain('Allowed choices are triton')
  }, 30_000)
})
