/** What every Store promises of repositories; each implementation runs it. */
import { describe, expect, test } from 'vitest'
import { bytesOf, digestOf } from '../fixture.ts'
import { day, type OpenStore } from './fixture.ts'

export function repositoriesContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name}: repositories`, () => {
    test('hold blobs apart from one another', async () => {
      await using opened = await open()
      const { repositories } = opened.store
      const blob = { digest: digestOf('x'), size: 1, chunks: [digestOf('x').slice(7)] }
      await repositories.addBlob('a', blob, day)
      await repositories.addBlob('a', blob, day)
      expect(await repositories.blob('a', blob.digest)).toEqual({ ...blob, corrupt: false, pinnedAt: day })
      expect(await repositories.blob('b', blob.digest)).toBeUndefined()
      await repositories.markCorrupt(blob.digest, day)
      expect(await repositories.blob('a', blob.digest)).toMatchObject({ corrupt: true })
      await repositories.addBlob('b', blob, day)
      expect(await repositories.blob('a', blob.digest)).toMatchObject({ corrupt: false })
    })

    test('tell which blobs nothing needs, and let them go when nobody pinned them since', async () => {
      await using opened = await open()
      const { repositories } = opened.store
      const [early, late] = ['2026-11-24T09:00:00.000Z', '2026-11-24T11:00:00.000Z']
      const blobs = ['needed', 'old', 'new', 'pinned', 'shared'].map((text) => ({
        digest: digestOf(text),
        size: text.length,
        chunks: [],
      }))
      for (const blob of blobs) await repositories.addBlob('a', blob, early)
      const digests = Object.fromEntries(
        ['needed', 'old', 'new', 'pinned', 'shared'].map((text) => [text, digestOf(text)]),
      )
      const { needed = '', old = '', new: fresh = '', pinned = '', shared = '' } = digests
      const manifest = { digest: digestOf('m'), mediaType: 'x', bytes: bytesOf('m'), blobs: [needed], children: [] }
      await repositories.addManifest('a', manifest, undefined, early)
      await repositories.addBlob('a', { digest: fresh, size: 3, chunks: [] }, late)
      expect(await repositories.pinBlob('a', pinned, late)).toBe(true)
      expect(await repositories.pinBlob('b', pinned, late)).toBe(false)
      expect(await repositories.mountBlob('b', 'a', shared, late)).toBe(true)
      expect(await repositories.unneededBlobs(day)).toEqual([{ digest: old, size: 3 }])
      await repositories.letGo(day)
      const left = async (digest: string) => (await repositories.blob('a', digest)) !== undefined
      expect(await Promise.all([needed, old, fresh, pinned, shared].map(left))).toEqual([
        true,
        false,
        true,
        true,
        false,
      ])
      expect([await repositories.forgetBlob(old), await repositories.forgetBlob(shared)]).toEqual([true, false])
      expect([await repositories.isKnown(old), await repositories.isKnown(shared)]).toEqual([false, true])
      expect(await repositories.mountBlob('b', 'a', old, late)).toBe(false)
      const lost = { ...manifest, digest: digestOf('n'), blobs: [old] }
      await expect(repositories.addManifest('a', lost, 'n', late)).rejects.toMatchObject({
        code: 'MANIFEST_BLOB_UNKNOWN',
      })
      expect(await repositories.manifest('a', { digest: lost.digest })).toBeUndefined()
    })

    test('know an upload by its repository and its token', async () => {
      await using opened = await open()
      const { repositories } = opened.store
      await repositories.openUpload({ id: 'u', repository: 'a', token: 't' }, day, 1)
      await repositories.openUpload({ id: 'v', repository: 'a' }, day, 1)
      const known = (id: string, repository: string, token?: string) => repositories.upload({ id, repository, token })
      expect([await known('u', 'a', 't'), await known('v', 'a')]).toEqual([
        { size: 0, parts: 0 },
        { size: 0, parts: 0 },
      ])
      expect([await known('u', 'a'), await known('u', 'b', 't'), await known('v', 'a', 't')]).toEqual([
        undefined,
        undefined,
        undefined,
      ])
      await repositories.closeUpload({ id: 'u', repository: 'a', token: 't' })
      expect(await known('u', 'a', 't')).toBeUndefined()
      expect([await repositories.isOpen('u'), await repositories.isOpen('v')]).toEqual([false, true])
    })

    test('advance an upload from where it is, once, and remember it', async () => {
      await using opened = await open()
      const upload = { id: 'u', repository: 'a' }
      await opened.store.repositories.openUpload(upload, day, 1)
      const advance = (from: number, to: number) => opened.store.repositories.advanceUpload('u', from, to, day)
      expect(await Promise.all([advance(0, 10), advance(0, 20)])).toEqual([true, false])
      expect(await advance(10, 30)).toBe(true)
      expect(await (await opened.reopen()).repositories.upload(upload)).toEqual({ size: 30, parts: 2 })
      await opened.store.repositories.closeUpload(upload)
      expect(await advance(30, 40)).toBe(false)
    })

    test('open so many uploads of a token and no more, until one is closed or dropped for its age', async () => {
      await using opened = await open()
      const { repositories } = opened.store
      const start = (id: string, token: string | undefined, at: string) =>
        repositories.openUpload({ id, repository: 'a', token }, at, 2)
      expect(await start('1', 't', '2026-11-24T10:00:00.000Z')).toBe(true)
      expect(await start('2', 't', '2026-11-24T10:00:00.000Z')).toBe(true)
      expect(await start('3', 't', day)).toBe(false)
      expect(await repositories.isOpen('3')).toBe(false)
      expect(await start('4', undefined, '2026-11-24T11:00:00.000Z')).toBe(true)
      await repositories.advanceUpload('2', 0, 1, '2026-11-24T11:00:00.000Z')
      await repositories.dropUploads('2026-11-24T11:00:00.000Z')
      expect([await repositories.isOpen('1'), await repositories.isOpen('2')]).toEqual([false, true])
      expect(await start('5', 't', day)).toBe(true)
    })

    test('give manifests by digest and by tag, and a tag moves', async () => {
      await using opened = await open()
      const { repositories } = opened.store
      const [one, two] = ['{"a":1}', '{"a":2}'].map((text) => ({
        digest: digestOf(text),
        mediaType: 'application/x',
        bytes: bytesOf(text),
        blobs: [],
        children: [],
      }))
      if (one === undefined || two === undefined) throw new Error('unreachable')
      await repositories.addManifest('a', one, 'tag', day)
      await repositories.addManifest('a', two, 'tag', day)
      await repositories.addManifest('a', one, undefined, day)
      expect(await repositories.manifest('a', { tag: 'tag' })).toEqual({
        digest: two.digest,
        mediaType: two.mediaType,
        bytes: two.bytes,
      })
      expect(await repositories.manifest('a', { digest: one.digest })).toMatchObject({ bytes: one.bytes })
      expect(await repositories.manifest('b', { digest: one.digest })).toBeUndefined()
      expect(await repositories.tags('a', { limit: 10 })).toEqual(['tag'])
      expect(await repositories.tags('b', { limit: 10 })).toBeUndefined()
    })
  })
}
