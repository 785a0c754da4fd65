/** The files of a blob folder: written while they are hashed, moved to their place, read back only if they are plain. */
import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { StoredBlob } from './blobs.ts'
import type { Digester } from './digester.ts'
import { hasCode, makeFolder, syncFolder } from './durable.ts'

/**
 * Two levels of 256, so that no folder grows past what every file system likes.
 *
 * @throws {@link SelvedgeError} `DIGEST_INVALID`
 */
export function placeOf(root: string, digest: string): string {
  const hex = /^sha256:([a-f0-9]{64})$/.exec(digest)?.[1]
  if (hex === undefined) throw new SelvedgeError('DIGEST_INVALID', 'a digest is sha256: and 64 lower-case hex digits')
  return join(root, 'sha256', hex.slice(0, 2), hex.slice(2, 4), hex)
}

/** Writes and hashes at once, from the position on; the position after the last byte. */
export async function writeParts(
  file: FileHandle,
  position: number,
  bytes: AsyncIterable<Uint8Array>,
  digester: Digester,
): Promise<number> {
  let at = position
  for await (const part of bytes) {
    const writing = writeAll(file, part, at)
    digester.update(part)
    await writing
    at += part.length
  }
  return at
}

/** After it, the file is under its digest whatever happens. */
export async function moveToPlace(temporary: string, place: string): Promise<void> {
  await makeFolder(dirname(place))
  await replace(temporary, place)
  await syncFolder(dirname(place))
}

export async function factsOf(place: string): Promise<Stats | undefined> {
  try {
    return await lstat(place)
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) return undefined
    throw thrown
  }
}

/** No name at all: pushed again since it was opened, and these bytes are as good. */
export function isOurs(facts: Stats): boolean {
  return facts.isFile() && facts.nlink <= 1
}

/**
 * A link could point anywhere, a second name could change the bytes behind our back, a FIFO would block for ever.
 *
 * @throws {@link SelvedgeError} `BLOB_CORRUPT`
 */
export async function openStored(place: string, digest: string): Promise<StoredBlob | undefined> {
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
    async read(offset, length, bytes = new Uint8Array(length)) {
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

export function asStorageError(thrown: unknown): unknown {
  if (!hasCode(thrown, 'ENOSPC', 'EDQUOT')) return thrown
  return new SelvedgeError('STORAGE_FULL', 'the registry has no room for this blob', {}, { cause: thrown })
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let from = 0; from < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, from, bytes.length - from, position + from)
    from += bytesWritten
  }
}

// A file replaces whatever stands there but a folder, and no folder of ours has a digest's name.
async function replace(temporary: string, place: string): Promise<void> {
  try {
    await rename(temporary, place)
  } catch (thrown) {
    if (!(await factsOf(place))?.isDirectory()) throw thrown
    await rm(place, { recursive: true })
    await rename(temporary, place)
  }
}

function notOurs(digest: string): SelvedgeError {
  return new SelvedgeError('BLOB_CORRUPT', `what is stored as ${digest} is not a plain file of the registry`)
}
