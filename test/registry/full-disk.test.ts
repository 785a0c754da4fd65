/** A registry on a small file system that is full. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ballastBytes } from '../../registry/store/sqlite/ballast.ts'
import { digestOf, type Fixture, linearFiles, openFixture, pushBlob, pushModel, sendJson } from './fixture.ts'

const MiB = 1024 * 1024

function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'selvedge-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' })
    execFileSync('umount', [folder])
    return true
  } catch {
    return false
  } finally {
    rmdirSync(folder)
  }
}

describe.skipIf(!canMount())('F-08 while the disk is full', () => {
  let disk: string
  let at: number

  beforeEach(() => {
    at = Date.parse('2026-11-24T10:00:00Z')
    disk = mkdtempSync(join(tmpdir(), 'selvedge-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk])
  })

  afterEach(() => {
    execFileSync('umount', [disk])
    rmdirSync(disk)
  })

  const open = () => openFixture({ dataDir: join(disk, 'data'), now: () => at })
  const filler = () => join(disk, 'filler')

  function fill(): void {
    for (const size of [MiB, 4096]) {
      for (;;) {
        try {
          writeFileSync(filler(), new Uint8Array(size), { flag: 'a' })
        } catch {
          break
        }
      }
    }
  }

  const push = (fixture: Fixture, bytes: Uint8Array<ArrayBuffer>) =>
    fixture.request(`/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`, { method: 'POST', body: bytes })

  async function openServed(): Promise<Fixture> {
    const fixture = await open()
    await pushModel(fixture, 'a', '1')
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version: 1 })
    return fixture
  }

  test('a push is 507 STORAGE_FULL and leaves nothing', async () => {
    await using fixture = await open()
    fill()
    const bytes = new Uint8Array(MiB)
    const refused = await push(fixture, bytes)
    expect({ status: refused.status, body: await refused.json() }).toMatchObject({
      status: 507,
      body: { errors: [{ code: 'STORAGE_FULL', detail: { next: expect.stringContaining('Free space') } }] },
    })
    expect((await fixture.request(`/v2/a/blobs/${digestOf(bytes)}`)).status).toBe(404)
  })

  test('what is written down alone is 507, too', async () => {
    await using fixture = await openServed()
    fill()
    expect((await sendJson(fixture, 'PUT', '/api/v1/endpoints/other', {})).status).toBe(507)
    expect((await fixture.request('/api/v1/endpoints/other')).status).toBe(404)
  })

  test('reads go on, those of a plan that is due for its next signature, too', async () => {
    await using fixture = await openServed()
    fill()
    at += 13 * 3600_000
    for (const path of ['/v2/a/manifests/1', '/api/v1/models', '/api/v1/endpoints/e/plan', '/metrics']) {
      expect((await fixture.request(path)).status).toBe(200)
    }
  })

  test('models are deleted and their bytes collected, and then there is room again', async () => {
    await using fixture = await openServed()
    const large = new Uint8Array(6 * MiB).fill(7)
    await pushModel(fixture, 'b', '1', { ...linearFiles([5, 6]), 'data.bin': large })
    fill()
    expect((await sendJson(fixture, 'PUT', '/api/v1/endpoints/other', {})).status).toBe(507)
    expect((await fixture.request('/api/v1/models/b', { method: 'DELETE' })).status).toBe(204)
    at += 25 * 3600_000
    const collected = await sendJson(fixture, 'POST', '/api/v1/gc', {})
    expect(await collected.json()).toMatchObject({ bytes: expect.toSatisfy((bytes: number) => bytes >= large.length) })
    expect((await push(fixture, new Uint8Array(MiB))).status).toBe(201)
  })

  test('pushes go on and the ballast is back within 5 s of there being room, and the database is whole', async () => {
    await using fixture = await openServed()
    fill()
    expect((await push(fixture, new Uint8Array(MiB))).status).toBe(507)
    expect((await fixture.request('/v2/a/manifests/1', { method: 'HEAD' })).status).toBe(200)
    expect((await fixture.request('/api/v1/endpoints/e/traffic')).status).toBe(200)
    // Gives the ballast up.
    await sendJson(fixture, 'POST', '/api/v1/gc', {})
    rmSync(filler())
    await pushBlob(fixture, 'a', new Uint8Array(MiB))
    const ballast = join(fixture.dataDir, 'registry.db-ballast')
    await expect.poll(() => statSync(ballast).size, { timeout: 5000 }).toBe(ballastBytes)
    const copy = mkdtempSync(join(tmpdir(), 'selvedge-copy-'))
    try {
      for (const file of ['registry.db', 'registry.db-wal']) {
        copyFileSync(join(fixture.dataDir, file), join(copy, file))
      }
      const database = new DatabaseSync(join(copy, 'registry.db'))
      expect({ ...database.prepare('PRAGMA integrity_check').get() }).toEqual({ integrity_check: 'ok' })
      database.close()
    } finally {
      rmSync(copy, { recursive: true })
    }
  })
})
