/** The port of a page's store: what each kind of store that a browser has implements. */
import type { Digest } from '../../runtime/contract/names.ts'
import type { ModelStore } from '../../runtime/delivery/store.ts'

export interface PageStore extends ModelStore {
  /**
   * Marks these blobs as used now and keeps them whatever comes, until called again; of all others removes the least
   * recently used until the store is within its budget. To be called once a new version has answered: until then the
   * last good one is in use, too.
   */
  trim(inUse: readonly Digest[]): Promise<void>
}
