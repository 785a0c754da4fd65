/**
 * ModelStore in the Origin Private File System: one file a blob, read straight into the caller's buffer.
 *
 * Memory, measured over a file of 200 MiB as the renderer's anonymous memory above its start: 1.03 × the file from here
 * into the caller's buffer, 1.05 × from the network into that buffer and here. Handles do not buffer: the whole file more
 * that was once seen while writing was garbage, of arrays made for each chunk or part in a loop that hardly yields
 * (0.6 × for fresh 4 MiB chunks, 0.4 × for the parts of a body, which `transfer.ts` now reads into one buffer).
 *
 * Room: Chromium reserves a growing file's in powers of two up to 128 MiB, so a quota of 100 MB ends at 64 MiB.
 */
import type { Digest } from '../../runtime/contract/names.ts'
import { limits } from '../../runtime/limits.ts'
import { forgetUse, markUsed, openStoreDatabase, type StoreDatabase, usesByBlob } from './database.ts'
import { openBudget, type StoredBlob } from './eviction.ts'
import { isNamed, writeWhereRoom } from './full.ts'
import { lockDownload, lockFile } from './locks.ts'
import type { PageStore } from './port.ts'

/**
 * Only in a worker: pages have no synchronous handles.
 *
 * @throws what the browser throws where it has no such files, or gives them to nobody in this window
 */
export async function openOpfsStore(budgetBytes: number): Promise<PageStore> {
  const root = await navigator.storage.getDirectory()
  const [folder, database] = await Promise.all([openFolder(root), usesWhereAllowed()])

  async function stored(): Promise<StoredBlob[]> {
    const uses = database === undefined ? new Map<Digest, number>() : await usesByBlob(database)
    const blobs: StoredBlob[] = []
    for await (const [name, handle] of folder.entries()) {
      const blob = blobOf(name)
      if (blob === undefined || !(handle instanceof FileSystemFileHandle)) continue
      const file = await whereFound(handle.getFile())
      // Another tab may have removed it since it was listed.
      if (file === undefined) continue
      blobs.push({ blob, bytes: file.size, usedAt: Math.max(file.lastModified, uses.get(blob) ?? 0) })
    }
    return blobs
  }

  const budget = openBudget(budgetBytes, {
    stored,
    markUsed: async (blobs) => await (database && markUsed(database, blobs)),
    async remove(blob) {
      await remove(folder, blob)
      if (database !== undefined) await forgetUse(database, blob)
    },
  })

  const read = <T>(blob: Digest, use: (handle: FileSystemSyncAccessHandle) => T) =>
    whereFound(withHandle(folder, blob, 'read-only', use))

  async function write(blob: Digest, bytes: Uint8Array<ArrayBuffer>, at: number, isWhole: boolean): Promise<void> {
    await writeWhereRoom({
      write: () =>
        withHandle(folder, blob, 'readwrite', (handle) => {
          if (isWhole) handle.truncate(0)
          if (handle.write(bytes, { at }) !== bytes.length)
            throw new DOMException('a part fitted', 'QuotaExceededError')
          handle.flush()
        }),
      makeRoom: () => budget.makeRoom(blob, bytes.length),
      clear: () => remove(folder, blob),
    })
  }

  return {
    readChunk: async (blob, index, into) =>
      (await read(blob, (handle) => handle.read(into, { at: index * limits.chunkBytes }))) === into.length,
    writeChunk: (blob, index, chunk) => write(blob, chunk, index * limits.chunkBytes, false),
    readDocument: (blob) =>
      read(blob, (handle) => {
        const bytes = new Uint8Array(handle.getSize())
        return handle.read(bytes, { at: 0 }) === bytes.length ? bytes : undefined
      }),
    writeDocument: (blob, bytes) => write(blob, bytes, 0, true),
    exclusively: lockDownload,
    trim: budget.trim,
  }
}

// Some windows show the interface and refuse its use: before the folder is there for good, a file in it is tried.
async function openFolder(root: FileSystemDirectoryHandle): Promise<FileSystemDirectoryHandle> {
  const name = 'selvedge-blobs'
  const there = await whereFound(root.getDirectoryHandle(name))
  if (there !== undefined) return there
  const folder = await root.getDirectoryHandle(name, { create: true })
  const tried: Digest = `sha256:${'0'.repeat(64)}`
  try {
    await withHandle(folder, tried, 'readwrite', () => undefined)
    await remove(folder, tried)
  } catch (error) {
    await root.removeEntry(name, { recursive: true })
    throw error
  }
  return folder
}

// Without the times of use, the time at which a file was written stands for them.
async function usesWhereAllowed(): Promise<StoreDatabase | undefined> {
  try {
    return await openStoreDatabase()
  } catch {
    return undefined
  }
}

// Handles to write are exclusive, and in browsers without modes those to read, too: one that is not closed would lock
// the file for every tab, and one that is open refuses the next. So each waits for its turn.
async function withHandle<T>(
  folder: FileSystemDirectoryHandle,
  blob: Digest,
  mode: FileSystemSyncAccessHandleMode,
  use: (handle: FileSystemSyncAccessHandle) => T,
): Promise<T> {
  const isShared = mode === 'read-only' && 'mode' in FileSystemSyncAccessHandle.prototype
  return await lockFile(blob, isShared ? 'shared' : 'exclusive', async () => {
    const file = await folder.getFileHandle(nameOf(blob), { create: mode === 'readwrite' })
    const handle = await file.createSyncAccessHandle({ mode })
    try {
      return use(handle)
    } finally {
      handle.close()
    }
  })
}

async function remove(folder: FileSystemDirectoryHandle, blob: Digest): Promise<void> {
  await lockFile(blob, 'exclusive', () => whereFound(folder.removeEntry(nameOf(blob))))
}

async function whereFound<T>(attempt: Promise<T>): Promise<T | undefined> {
  try {
    return await attempt
  } catch (error) {
    if (isNamed(error, 'NotFoundError')) return undefined
    throw error
  }
}

function nameOf(blob: Digest): string {
  return blob.replace(':', '-')
}

function blobOf(name: string): Digest | undefined {
  return /^sha256-[0-9a-f]{64}$/.test(name) ? (name.replace('-', ':') as Digest) : undefined
}
