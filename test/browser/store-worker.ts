/** The page's model store in a worker, where alone it works. */
import { expose } from 'comlink'
import { openOpfsStore } from '../../browser/opfs-store.ts'
import type { Digest } from '../../runtime/contract/names.ts'

const api = {
  async writeChunk(blob: Digest, index: number, chunk: Uint8Array<ArrayBuffer>) {
    await (await openOpfsStore()).writeChunk(blob, index, chunk)
  },
  async readChunk(blob: Digest, index: number, length: number) {
    const into = new Uint8Array(length)
    return (await (await openOpfsStore()).readChunk(blob, index, into)) ? into : undefined
  },
  async writeDocument(blob: Digest, bytes: Uint8Array<ArrayBuffer>) {
    await (await openOpfsStore()).writeDocument(blob, bytes)
  },
  readDocument: async (blob: Digest) => await (await openOpfsStore()).readDocument(blob),
}

export type StoreApi = typeof api

expose(api)
