/** ModelStore as Blobs in IndexedDB, a part for each chunk: for windows without the Origin Private File System. */
import type { Digest } from '../../runtime/contract/names.ts'
import { forgetUse, markUsed, openStoreDatabase, usesByBlob } from './database.ts'
import { openBudget, type StoredBlob } from './eviction.ts'
import { writeWhereRoom } from './full.ts'
import { lockDownload } from './locks.ts'
import type { PageStore } from './port.ts'

/** @throws what the browser throws where it has no IndexedDB, or gives it to nobody in this window */
export async function openIndexedDbStore(budgetBytes: number): Promise<PageStore> {
  const database = await openStoreDatabase()

  async function stored(): Promise<StoredBlob[]> {
    const uses = await usesByBlob(database)
    const bytesOf = new Map<Digest, number>()
    // A cursor reads what a Blob says of itself, not its bytes.
    let cursor = await database.transaction('parts').store.openCursor()
    while (cursor !== null) {
      const [blob] = cursor.key
      bytesOf.set(blob, (bytesOf.get(blob) ?? 0) + cursor.value.size)
      cursor = await cursor.continue()
    }
    return [...bytesOf].map(([blob, bytes]) => ({ blob, bytes, usedAt: uses.get(blob) ?? 0 }))
  }

  async function remove(blob: Digest): Promise<void> {
    await database.delete('parts', IDBKeyRange.bound([blob, 0], [blob, Number.POSITIVE_INFINITY]))
    await forgetUse(database, blob)
  }

  const budget = openBudget(budgetBytes, { stored, markUsed: (blobs) => markUsed(database, blobs), remove })

  async function write(blob: Digest, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await writeWhereRoom({
      async write() {
        const transaction = database.transaction(['parts', 'uses'], 'readwrite', { durability: 'relaxed' })
        await Promise.all([
          transaction.objectStore('parts').put(new Blob([bytes]), [blob, index]),
          transaction.objectStore('uses').put(Date.now(), blob),
          transaction.done,
        ])
      },
      makeRoom: () => budget.makeRoom(blob, bytes.length),
      clear: () => remove(blob),
    })
  }

  async function read(blob: Digest, index: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const part = await database.get('parts', [blob, index])
    return part && new Uint8Array(await part.arrayBuffer())
  }

  return {
    async readChunk(blob, index, into) {
      const bytes = await read(blob, index)
      if (bytes?.length !== into.length) return false
      into.set(bytes)
      return true
    },
    writeChunk: write,
    // Of a blob in several chunks this is the first: no reader takes it for the whole.
    readDocument: (blob) => read(blob, 0),
    writeDocument: (blob, bytes) => write(blob, 0, bytes),
    exclusively: lockDownload,
    trim: budget.trim,
  }
}
