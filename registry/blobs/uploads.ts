/**
 * Uploads in a folder: one file each, synced after every part, renamed to the digest's place at the end.
 *
 * The hash of what came goes on in memory while the process lives. OpenSSL's state cannot be saved, so that after a
 * restart the file is read once more: 0.3 s for 200 MB, both hashes, where a hash in WASM whose state can be saved would
 * cost every push more than a second.
 */
import { constants } from 'node:fs'
import { type FileHandle, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { BlobRecord } from '../store/store.ts'
import type { Blobs } from './blobs.ts'
import { type Digester, openDigester } from './digester.ts'
import { hasCode, makeFolder, syncFolder } from './durable.ts'
import { asStorageError, moveToPlace, placeOf, writeParts } from './files.ts'

const readBytes = 1024 * 1024

export async function openFolderUploads(
  root: string,
): Promise<Pick<Blobs, 'append' | 'finish' | 'discard' | 'uploads'>> {
  const folder = join(root, 'uploads')
  await makeFolder(folder)
  /** What was hashed of uploads that this process has seen. */
  const hashed = new Map<string, { size: number; digester: Digester }>()

  async function digesterAt(file: FileHandle, upload: string, size: number): Promise<Digester> {
    const held = hashed.get(upload)
    if (held?.size === size) return held.digester.copy()
    return await hashFile(file, size, upload)
  }

  return {
    async append(upload, offset, bytes) {
      try {
        const file = await open(
          pathOf(folder, upload),
          constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
          0o600,
        )
        try {
          if ((await file.stat()).size < offset) throw gone(upload)
          await file.truncate(offset)
          const digester = await digesterAt(file, upload, offset)
          const size = await writeParts(file, offset, bytes, digester)
          await file.sync()
          if (offset === 0) await syncFolder(folder)
          hashed.set(upload, { size, digester })
          return size
        } finally {
          await file.close()
        }
      } catch (thrown) {
        throw asStorageError(thrown)
      }
    },
    async finish(upload, size, digest) {
      const place = placeOf(root, digest)
      const path = pathOf(folder, upload)
      const file = await openOrNothing(path)
      // A process that was killed right after the rename had done all but tell the client.
      if (file === undefined) return await recordOf(place, size, digest, upload)
      try {
        const record = (await digesterAt(file, upload, size)).record()
        demandDigest(record, digest)
        await file.truncate(size)
        await file.sync()
        await moveToPlace(path, place)
        hashed.delete(upload)
        return record
      } catch (thrown) {
        throw asStorageError(thrown)
      } finally {
        await file.close()
      }
    },
    async discard(upload) {
      hashed.delete(upload)
      await rm(pathOf(folder, upload), { force: true })
    },
    async uploads() {
      return await readdir(folder)
    },
  }
}

function pathOf(folder: string, upload: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(upload)) return join(folder, upload)
  throw gone(upload)
}

async function openOrNothing(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) return undefined
    throw thrown
  }
}

async function recordOf(place: string, size: number, digest: string, upload: string): Promise<BlobRecord> {
  const file = await openOrNothing(place)
  if (file === undefined) throw gone(upload)
  try {
    const record = (await hashFile(file, size, upload)).record()
    demandDigest(record, digest)
    return record
  } finally {
    await file.close()
  }
}

async function hashFile(file: FileHandle, size: number, upload: string): Promise<Digester> {
  const digester = openDigester()
  const bytes = new Uint8Array(Math.min(readBytes, size))
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(bytes, 0, Math.min(bytes.length, size - at), at)
    if (bytesRead === 0) throw gone(upload)
    digester.update(bytes.subarray(0, bytesRead))
    at += bytesRead
  }
  return digester
}

function demandDigest(record: BlobRecord, digest: string): void {
  if (record.digest === digest) return
  throw new SelvedgeError('DIGEST_INVALID', `the ${record.size} bytes sent do not have the digest ${digest}`)
}

function gone(upload: string): SelvedgeError {
  return new SelvedgeError('BLOB_UPLOAD_UNKNOWN', `the bytes of upload ${upload.slice(0, 36)} are gone`)
}
