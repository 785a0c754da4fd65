/** `selvedge backup` and `selvedge restore`, as an operator runs them. */
import { mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openRegistry, type Registry } from '../../../registry/registry.ts'
import { runCommand } from './command.ts'

let folder: string
let data: string
let registry: Registry

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-cli-backup-'))
  data = join(folder, 'data')
  registry = await openRegistry({ dataDir: data })
  const digest = 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
  const put = await registry.app.request(`/v2/m/blobs/uploads/?digest=${digest}`, { method: 'POST', body: 'hello' })
  if (put.status !== 201) throw new Error(await put.text())
})

afterEach(async () => {
  await registry.close()
  rmSync(folder, { recursive: true, force: true })
})

async function blobFile(): Promise<string> {
  const root = join(data, 'blobs', 'sha256')
  const files = await readdir(root, { recursive: true, withFileTypes: true })
  const file = files.find((entry) => entry.isFile())
  if (file === undefined) throw new Error('there is no blob')
  return join(file.parentPath, file.name)
}

describe('selvedge backup and restore', () => {
  test('copy what a running registry keeps, and make a data folder of it again', async () => {
    const backup = join(folder, 'backup')
    const made = await runCommand(['backup', backup, '--data', data])
    expect(made).toMatchObject({ code: 0, stdout: `Database, plan key and 1 blobs of 5 B in ${backup}\n` })
    const back = await runCommand(['restore', backup, '--data', join(folder, 'back'), '--json'])
    expect(JSON.parse(back.stdout)).toEqual({ blobs: 1, bytes: 5, damaged: [] })
    const restored = await openRegistry({ dataDir: join(folder, 'back') })
    expect(restored.key).toBe(registry.key)
    await restored.close()
  })

  test('refuse a folder that has a registry', async () => {
    const { code, stderr } = await runCommand(['backup', data, '--data', data])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('has a registry already') })
  })

  test('say which blobs are damaged, and exit 1', async () => {
    truncateSync(await blobFile(), 2)
    const { code, stderr } = await runCommand(['backup', join(folder, 'backup'), '--data', data])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('sha256:2cf24dba') })
  })
})
