/** Where a page keeps the bytes of models: the best store that this browser has. */
import { openIndexedDbStore } from './indexeddb.ts'
import { noStore } from './none.ts'
import { openOpfsStore } from './opfs.ts'
import type { PageStore } from './port.ts'

export interface OpenedStore {
  store: PageStore
  kind: 'opfs' | 'indexeddb' | 'none'
  /** What the better kinds said. */
  refused: readonly unknown[]
}

/**
 * Half a gibibyte: some tens of models as pages have them, or two large ones. Our own number, since
 * `navigator.storage.estimate()` answered usage + 10 GiB whatever the quota was.
 */
const budgetBytes = 512 * 1024 * 1024

/**
 * Only in a worker. The Origin Private File System, whose files are read straight into the caller's buffer; where a
 * browser refuses it, as private windows do, Blobs in IndexedDB (1.5 × the time to read, 1.3 × the file in memory);
 * where that is refused too, nothing is kept and models are downloaded at each visit.
 */
export async function openModelStore(budget = budgetBytes): Promise<OpenedStore> {
  const refused: unknown[] = []
  for (const [kind, open] of [['opfs', openOpfsStore] as const, ['indexeddb', openIndexedDbStore] as const]) {
    try {
      return { store: await open(budget), kind, refused }
    } catch (error) {
      refused.push(error)
    }
  }
  return { store: noStore, kind: 'none', refused }
}
