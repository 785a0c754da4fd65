/** ModelStore that keeps nothing: for windows that may not store anything, which then download at each visit. */
import type { PageStore } from './port.ts'

export const noStore: PageStore = {
  readChunk: async () => false,
  writeChunk: async () => undefined,
  readDocument: async () => undefined,
  writeDocument: async () => undefined,
  exclusively: (_, use) => use(),
  trim: async () => undefined,
}
