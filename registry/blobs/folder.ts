/** Blobs in a folder: written to a temporary file, synced, renamed to the digest's place, the folder synced. */
import { randomUUID } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { Blobs, StoredBlob } from './blobs.ts'
import { openDigester } from './digester.ts'
import { hasCode, makeFolder, syncFolder } from './durable.ts'

export async function openFolderBlobs(root: string): Promise<Blobs> {
  const incoming = join(root, 'incoming')
  // What a process that was killed had begun.
  await rm(incoming, { recursive: true, force: true })
  await makeFolder(incoming)
  return {
    async write(bytes, digest) {
      const place = placeOf(root, digest)
      const temporary = join(incoming, randomUUID())
      try {
        const record = await receive(bytes, temporary)
        if (record.digest !== digest) {
          throw new SelvedgeError('DIGEST_INVALID', `the ${record.size} bytes sent do not have the digest ${digest}`)
        }
        await makeFolder(dirname(place))
        await moveTo(temporary, place)
        await syncFolder(dirname(place))
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
    async close() {},
  }
}

// Two levels of 256, so that no folder grows past what every file system likes.
function placeOf(root: string, digest: string): string {
  const hex = /^sha256:([a-f0-9]{64})$/.exec(digest)?.[1]
  if (hex === undefined) throw new SelvedgeError('DIGEST_INVALID', 'a digest is sha256: and 64 lower-case hex digits')
  return join(root, 'sha256', hex.slice(0, 2), hex.slice(2, 4), hex)
}

async function receive(bytes: AsyncIterable<Uint8Array>, temporary: string) {
  const digester = openDigester()
  const file = await open(temporary, 'wx', 0o600)
  try {
    for await (const part of bytes) {
      digester.update(part)
      await writeAll(file, part)
    }
    await file.sync()
  } finally {
    await file.close()
  }
  return digester.finish()
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let from = 0; from < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, from)
    from += bytesWritten
  }
}

// A file replaces whatever stands there but a folder, and no folder of ours has a digest's name.
async function moveTo(temporary: string, place: string): Promise<void> {
  try {
    await rename(temporary, place)
  } catch (thrown) {
    if (!(await factsOf(place))?.isDirectory()) throw thrown
    await rm(place, { recursive: true })
    await rename(temporary, place)
  }
}

async function factsOf(place: string): Promise<Stats | undefined> {
  try {
    return await lstat(place)
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) return undefined
    throw thrown
  }
}

// No name at all: pushed again since it was opened, and these bytes are as good.
function isOurs(facts: Stats): boolean {
  return facts.isFile() && facts.nlink <= 1
}

// A link could point anywhere, a second name could change the bytes behind our back, a FIFO would block for ever.
async function openStored(place: string, digest: string): Promise<StoredBlob | undefined> {
  let file: FileHandle
  try {
    file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) return undefined
    if (hasCode(thrown, 'ELOOP', 'ENXIO')) throw notOurs(digest)
    throw thrown
  }
  const facts = await file.stat()
  if (!isOurs(facts)) {
    await file.close()
    throw notOurs(digest)
  }
  return {
    size: facts.size,
    async read(offset, length) {
      const bytes = new Uint8Array(length)
      let filled = 0
      while (filled < length) {
        const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return bytes.subarray(0, filled)
    },
    close: () => file.close(),
  }
}

function notOurs(digest: string): SelvedgeError {
  return new SelvedgeError('BLOB_CORRUPT', `what is stored as ${digest} is not a plain file of the registry`)
}

function asStorageError(thrown: unknown): unknown {
  if (!hasCode(thrown, 'ENOSPC', 'EDQUOT')) return thrown
  return new SelvedgeError('STORAGE_FULL', 'the registry has no room for this blob', {}, { cause: thrown })
}
