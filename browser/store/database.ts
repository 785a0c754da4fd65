/** The store's own database: when each blob was used last, and the blobs themselves where there is no file system. */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb'
import type { Digest } from '../../runtime/contract/names.ts'

interface Schema extends DBSchema {
  /** Ms since 1970. */
  uses: { key: Digest; value: number }
  parts: { key: [Digest, number]; value: Blob }
}

export type StoreDatabase = IDBPDatabase<Schema>

export async function openStoreDatabase(): Promise<StoreDatabase> {
  const database = await openDB<Schema>('selvedge-blobs', 1, {
    upgrade(fresh) {
      fresh.createObjectStore('uses')
      fresh.createObjectStore('parts')
    },
    // A page of a later version must not wait for this one.
    blocking: () => database.close(),
  })
  return database
}

export async function markUsed(database: StoreDatabase, blobs: readonly Digest[]): Promise<void> {
  const transaction = database.transaction('uses', 'readwrite', { durability: 'relaxed' })
  const now = Date.now()
  await Promise.all([...blobs.map((blob) => transaction.store.put(now, blob)), transaction.done])
}

export async function usesByBlob(database: StoreDatabase): Promise<Map<Digest, number>> {
  const transaction = database.transaction('uses')
  const [blobs, times] = await Promise.all([transaction.store.getAllKeys(), transaction.store.getAll()])
  return new Map(blobs.map((blob, i) => [blob, times[i] ?? 0]))
}

export async function forgetUse(database: StoreDatabase, blob: Digest): Promise<void> {
  await database.delete('uses', blob)
}
