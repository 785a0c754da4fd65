/** ModelStore in the Origin Private File System: one file a blob, read straight into the caller's buffer. */
import type { Digest } from '../runtime/contract/names.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import type { ModelStore } from '../runtime/store.ts'
import { lockDownload } from './store/locks.ts'

/** Only in a worker: pages have no synchronous handles. */
export async function openOpfsStore(): Promise<ModelStore> {
  const root = await navigator.storage.getDirectory()
  const folder = await root.getDirectoryHandle('selvedge-blobs', { create: true })

  return {
    readChunk: (blob, index, into) =>
      withHandle(folder, blob, 'read-only', false, (handle) => {
        const at = index * limits.chunkBytes
        return handle.read(into, { at }) === into.length
      }),
    async writeChunk(blob, index, chunk) {
      await withHandle(folder, blob, 'readwrite', true, (handle) => {
        write(handle, chunk, index * limits.chunkBytes)
        return true
      })
    },
    async readDocument(blob) {
      let bytes: Uint8Array<ArrayBuffer> | undefined
      await withHandle(folder, blob, 'read-only', false, (handle) => {
        bytes = new Uint8Array(handle.getSize())
        return handle.read(bytes, { at: 0 }) === bytes.length
      })
      return bytes
    },
    exclusively: lockDownload,
    async writeDocument(blob, bytes) {
      await withHandle(folder, blob, 'readwrite', true, (handle) => {
        handle.truncate(0)
        write(handle, bytes, 0)
        return true
      })
    },
  }
}

// Handles are exclusive: one that is not closed locks the file for every tab. A file that another tab writes right now
// counts as absent; the bytes are then fetched once more.
async function withHandle(
  folder: FileSystemDirectoryHandle,
  blob: Digest,
  mode: FileSystemSyncAccessHandleMode,
  create: boolean,
  use: (handle: FileSystemSyncAccessHandle) => boolean,
): Promise<boolean> {
  let handle: FileSystemSyncAccessHandle
  try {
    const file = await folder.getFileHandle(blob.replace(':', '-'), { create })
    handle = await file.createSyncAccessHandle({ mode })
  } catch (error) {
    if (isNamed(error, 'NotFoundError') || isNamed(error, 'NoModificationAllowedError')) return false
    throw error
  }
  try {
    return use(handle)
  } finally {
    handle.close()
  }
}

function write(handle: FileSystemSyncAccessHandle, bytes: Uint8Array<ArrayBuffer>, at: number): void {
  try {
    const written = handle.write(bytes, { at })
    if (written !== bytes.length) throw new SelvedgeError('STORAGE_FULL', 'the browser stored only a part')
    handle.flush()
  } catch (cause) {
    if (!isNamed(cause, 'QuotaExceededError')) throw cause
    throw new SelvedgeError('STORAGE_FULL', 'the quota of this origin is used up', {}, { cause })
  }
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof DOMException && error.name === name
}
