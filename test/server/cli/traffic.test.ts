import { expect, test } from 'vitest'
import { startRegistry } from '../fixtures/registry.ts'
import { runCommand } from './command.ts'

test('selvedge traffic names a shadow, keeps it while the split moves, and ends it', async () => {
  await using registry = await startRegistry()
  const traffic = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCommand(['traffic', 'e', ...args, '--json'], {
      env: { SELVEDGE_REGISTRY: registry.url },
    })
    expect(code, stderr).toBe(0)
    const { split, shadow } = JSON.parse(stdout)
    return { split, shadow }
  }
  const shadow = { deployment: 'green', percent: 20 }
  expect(await traffic('--shadow', 'green=20')).toEqual({ split: { blue: 100, green: 0 }, shadow })
  expect(await traffic('blue=90', 'green=10')).toEqual({ split: { blue: 90, green: 10 }, shadow })
  expect(await traffic()).toEqual({ split: { blue: 90, green: 10 }, shadow })
  expect(await traffic('blue=80', 'green=20', '--shadow', 'none')).toEqual({ split: { blue: 80, green: 20 } })
}, 30_000)
