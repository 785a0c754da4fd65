import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { openRegistry } from '../../registry/registry.ts'
import { openFixture } from './fixture.ts'

describe('a data folder', () => {
  test('is refused to a second registry, which leaves it as it is, and free once the first is closed', async () => {
    await using fixture = await openFixture()
    const before = readdirSync(fixture.dataDir)
    await expect(openRegistry({ dataDir: fixture.dataDir })).rejects.toMatchObject({
      code: 'REFUSED_TO_START',
      message: expect.stringContaining('data folder'),
    })
    expect(readdirSync(fixture.dataDir)).toEqual(before)
    await fixture.restart()
    expect((await fixture.request('/readyz')).status).toBe(200)
  })

  test('is refused while another process has it, and free at once when that one is killed', async () => {
    await using fixture = await openFixture()
    await fixture.registry.close()
    const main = new URL('../../registry/main.ts', import.meta.url).pathname
    const other = spawn(process.execPath, [main, '--data', fixture.dataDir, '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      await once(createInterface(other.stdout), 'line')
      await expect(openRegistry({ dataDir: fixture.dataDir })).rejects.toMatchObject({ code: 'REFUSED_TO_START' })
    } finally {
      other.kill('SIGKILL')
      await once(other, 'close')
    }
    await fixture.restart()
    expect((await fixture.request('/readyz')).status).toBe(200)
  })
})
