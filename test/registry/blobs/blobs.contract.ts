/** What every Blobs promises; each implementation runs it. */
import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Blobs } from '../../../registry/blobs/blobs.ts'
import { openChecked, readChecked, readWhole } from '../../../registry/blobs/checked.ts'
import { bytesOf, digestOf } from '../fixture.ts'

export interface OpenBlobs extends AsyncDisposable {
  blobs: Blobs
  /** As after a restart of the process, over the same data. */
  reopen(): Promise<Blobs>
  /** Names of whatever is stored or half stored. */
  stored(): Promise<string[]>
}

const chunk = 4 * 1024 * 1024
const text = bytesOf('hello')

export function blobsContract(name: string, open: () => Promise<OpenBlobs>): void {
  describe(`${name}: blobs`, () => {
    test('come back byte for byte, with the digest of each 4 MiB', async () => {
      await using opened = await open()
      const bytes = new Uint8Array(2 * chunk + 7).map((_, i) => (i * 7) % 253)
      const record = await opened.blobs.write(pieces(bytes, 1_000_003), digestOf(bytes))
      const parts = [bytes.subarray(0, chunk), bytes.subarray(chunk, 2 * chunk), bytes.subarray(2 * chunk)]
      expect(record).toEqual({
        digest: digestOf(bytes),
        size: bytes.length,
        chunks: parts.map((part) => digestOf(part).slice('sha256:'.length)),
      })
      const stored = await opened.blobs.open(record.digest)
      if (stored === undefined) throw new Error('the blob is not there')
      expect(stored.size).toBe(bytes.length)
      expect(digestOf(await readWhole(stored, record))).toBe(record.digest)
      const read = openChecked(stored, record)
      expect(await read(chunk - 2, 4)).toEqual(bytes.subarray(chunk - 2, chunk + 2))
      expect(await read(bytes.length - 3, 64)).toEqual(bytes.subarray(bytes.length - 3))
      await stored.close()
    })

    test('have a size where they are stored and none elsewhere', async () => {
      await using opened = await open()
      const { digest } = await opened.blobs.write(pieces(text, 2), digestOf('hello'))
      expect(await opened.blobs.size(digest)).toBe(5)
      expect(await opened.blobs.size(digestOf('other'))).toBeUndefined()
    })

    test('may be empty', async () => {
      await using opened = await open()
      const record = await opened.blobs.write(pieces(new Uint8Array(), 1), digestOf(''))
      expect(record).toEqual({ digest: digestOf(''), size: 0, chunks: [] })
      const stored = await opened.blobs.open(record.digest)
      expect(stored?.size).toBe(0)
      await stored?.close()
    })

    test('with another digest, or whose stream breaks, leave nothing', async () => {
      await using opened = await open()
      await expect(opened.blobs.write(pieces(text, 2), digestOf('other'))).rejects.toMatchObject({
        code: 'DIGEST_INVALID',
      })
      await expect(opened.blobs.write(broken(), digestOf('hello'))).rejects.toThrow('the line is dead')
      for (const digest of [digestOf('other'), digestOf('hello')])
        expect(await opened.blobs.open(digest)).toBeUndefined()
      expect(await opened.stored()).toEqual([])
    })

    test('UP-08 written by many at once are one blob, whole at every moment', async () => {
      await using opened = await open()
      const bytes = new Uint8Array(100_000).fill(7)
      const digest = digestOf(bytes)
      let done = false
      const writing = Promise.all(Array.from({ length: 20 }, () => opened.blobs.write(pieces(bytes, 999), digest)))
      const reading = (async () => {
        while (!done) {
          const stored = await opened.blobs.open(digest)
          if (stored === undefined) continue
          expect(stored.size).toBe(bytes.length)
          await stored.close()
        }
      })()
      const [record] = await writing
      done = true
      await reading
      expect(record?.digest).toBe(digest)
      expect(await opened.stored()).toHaveLength(1)
    })

    test('are read no further than the first chunk that is not what it was', async () => {
      await using opened = await open()
      const bytes = new Uint8Array(2 * chunk)
      const record = await opened.blobs.write(pieces(bytes, chunk), digestOf(bytes))
      const stored = await opened.blobs.open(record.digest)
      if (stored === undefined) throw new Error('the blob is not there')
      const parts = readChecked(stored, { ...record, chunks: [record.chunks[0] ?? '', '0'.repeat(64)] }, 0, record.size)
      expect((await parts.next()).value).toHaveLength(chunk)
      await expect(parts.next()).rejects.toMatchObject({ code: 'BLOB_CORRUPT' })
      await stored.close()
    })

    test('come from an upload in parts that break anywhere, and the upload is gone', async () => {
      await using opened = await open()
      const bytes = new Uint8Array(chunk + 9).map((_, i) => (i * 11) % 251)
      const whole = await opened.blobs.write(pieces(bytes, 999_999), digestOf(bytes))
      const upload = randomUUID()
      let size = 0
      for (const end of [1, chunk - 1, chunk + 3, bytes.length]) {
        size = await opened.blobs.append(upload, size, pieces(bytes.subarray(size, end), 500_009))
        expect(size).toBe(end)
      }
      expect(await opened.blobs.uploads()).toEqual([upload])
      expect(await opened.blobs.finish(upload, size, digestOf(bytes))).toEqual(whole)
      expect(await opened.blobs.uploads()).toEqual([])
      expect(await opened.stored()).toHaveLength(1)
    })

    test('come from an upload that goes on after a restart, from any offset that was answered', async () => {
      await using opened = await open()
      const upload = randomUUID()
      await opened.blobs.append(upload, 0, pieces(bytesOf('hello, '), 3))
      await opened.blobs.append(upload, 7, pieces(bytesOf('wrong'), 3))
      const again = await opened.reopen()
      expect(await again.append(upload, 7, pieces(bytesOf('blob'), 3))).toBe(11)
      expect(await (await opened.reopen()).finish(upload, 11, digestOf('hello, blob'))).toMatchObject({ size: 11 })
    })

    test('come from the part of an upload that was answered, whatever broke off after it', async () => {
      await using opened = await open()
      const upload = randomUUID()
      await opened.blobs.append(upload, 0, pieces(text, 2))
      await expect(opened.blobs.append(upload, 5, broken())).rejects.toThrow('the line is dead')
      expect(await opened.blobs.finish(upload, 5, digestOf('hello'))).toMatchObject({ size: 5 })
      const stored = await opened.blobs.open(digestOf('hello'))
      expect(stored?.size).toBe(5)
      await stored?.close()
    })

    test('are found by an upload that was finished and not told so', async () => {
      await using opened = await open()
      const upload = randomUUID()
      await opened.blobs.append(upload, 0, pieces(text, 2))
      const record = await opened.blobs.finish(upload, 5, digestOf('hello'))
      expect(await opened.blobs.finish(upload, 5, digestOf('hello'))).toEqual(record)
    })

    test('UP-04 come from no upload that has another digest, and it stays until it is discarded', async () => {
      await using opened = await open()
      const upload = randomUUID()
      await opened.blobs.append(upload, 0, pieces(text, 2))
      const wrong = opened.blobs.finish(upload, 5, digestOf('other'))
      await expect(wrong).rejects.toMatchObject({ code: 'DIGEST_INVALID' })
      expect(await opened.blobs.open(digestOf('other'))).toBeUndefined()
      expect(await opened.blobs.uploads()).toEqual([upload])
      await opened.blobs.discard(upload)
      await opened.blobs.discard(upload)
      expect(await opened.stored()).toEqual([])
    })

    test('come from no upload whose bytes are gone, nor from a name that is a path', async () => {
      await using opened = await open()
      for (const upload of [randomUUID(), '../../canary', '']) {
        const unknown = { code: 'BLOB_UPLOAD_UNKNOWN' }
        await expect(opened.blobs.append(upload, 1, pieces(text, 2))).rejects.toMatchObject(unknown)
        await expect(opened.blobs.finish(upload, 1, digestOf('hello'))).rejects.toMatchObject(unknown)
      }
    })

    test('are listed, and gone once they are removed', async () => {
      await using opened = await open()
      await opened.blobs.write(pieces(text, 2), digestOf('hello'))
      await opened.blobs.write(pieces(bytesOf('other'), 2), digestOf('other'))
      expect((await listed(opened.blobs)).sort()).toEqual([digestOf('hello'), digestOf('other')].sort())
      await opened.blobs.remove(digestOf('hello'))
      await opened.blobs.remove(digestOf('hello'))
      expect(await listed(opened.blobs)).toEqual([digestOf('other')])
      expect(await opened.blobs.open(digestOf('hello'))).toBeUndefined()
      await expect(opened.blobs.remove('../../canary')).rejects.toMatchObject({ code: 'DIGEST_INVALID' })
    })

    test('are not asked for by anything but a digest', async () => {
      await using opened = await open()
      for (const digest of ['sha256:../../canary', '', `sha256:${'A'.repeat(64)}`]) {
        await expect(opened.blobs.open(digest)).rejects.toMatchObject({ code: 'DIGEST_INVALID' })
        await expect(opened.blobs.write(pieces(text, 2), digest)).rejects.toMatchObject({ code: 'DIGEST_INVALID' })
      }
      expect(await opened.stored()).toEqual([])
    })
  })
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size)
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield text.subarray(0, 2)
  throw new Error('the line is dead')
}

async function listed(blobs: Blobs): Promise<string[]> {
  const digests: string[] = []
  for await (const digest of blobs.digests()) digests.push(digest)
  return digests
}
