/** ModelStore that keeps nothing: for browsers without the Origin Private File System, which then download each time. */
import type { ModelStore } from '../runtime/store.ts'

export const noStore: ModelStore = {
  readChunk: async () => false,
  writeChunk: async () => undefined,
  readDocument: async () => undefined,
  writeDocument: async () => undefined,
  exclusively: (_, use) => use(),
}
