/** Blobs in a folder: written to a temporary file, synced, renamed to the digest's place, the folder synced. */
import { randomUUID } from 'node:crypto'
import { open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { Blobs } from './blobs.ts'
import { openDigester } from './digester.ts'
import { hasCode, makeFolder } from './durable.ts'
import { asStorageError, factsOf, isOurs, moveToPlace, openStored, placeOf, writeParts } from './files.ts'
import { openFolderUploads } from './uploads.ts'

export async function openFolderBlobs(root: string): Promise<Blobs> {
  const incoming = join(root, 'incoming')
  // What a process that was killed had begun.
  await rm(incoming, { recursive: true, force: true })
  await makeFolder(incoming)
  return {
    ...(await openFolderUploads(root)),
    async write(bytes, digest) {
      const place = placeOf(root, digest)
      const temporary = join(incoming, randomUUID())
      try {
        const record = await receive(bytes, temporary)
        if (record.digest !== digest) {
          throw new SelvedgeError('DIGEST_INVALID', `the ${record.size} bytes sent do not have the digest ${digest}`)
        }
        await moveToPlace(temporary, place)
        return record
      } catch (thrown) {
        await rm(temporary, { force: true })
        throw asStorageError(thrown)
      }
    },
    async open(digest) {
      return await openStored(placeOf(root, digest), digest)
    },
    async size(digest) {
      const facts = await factsOf(placeOf(root, digest))
      return facts !== undefined && isOurs(facts) ? facts.size : undefined
    },
    async remove(digest) {
      await rm(placeOf(root, digest), { recursive: true, force: true })
    },
    digests: () => digestsIn(join(root, 'sha256')),
    async close() {},
  }
}

async function* digestsIn(folder: string): AsyncGenerator<string> {
  for (const first of await namesIn(folder)) {
    for (const second of await namesIn(join(folder, first))) {
      for (const hex of await namesIn(join(folder, first, second))) {
        if (/^[a-f0-9]{64}$/.test(hex)) yield `sha256:${hex}`
      }
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT', 'ENOTDIR')) return []
    throw thrown
  }
}

async function receive(bytes: AsyncIterable<Uint8Array>, temporary: string) {
  const digester = openDigester()
  const file = await open(temporary, 'wx', 0o600)
  try {
    await writeParts(file, 0, bytes, digester)
    await file.sync()
  } finally {
    await file.close()
  }
  return digester.record()
}
