/** SHA-256 of a stream as a whole and of each 4 MiB of it, in one pass. */
import { createHash } from 'node:crypto'
import { limits } from '../../runtime/limits.ts'
import type { BlobRecord } from '../store/store.ts'

export interface Digester {
  update(bytes: Uint8Array): void
  /** Once, after the last update. */
  finish(): BlobRecord
}

export function openDigester(): Digester {
  const whole = createHash('sha256')
  const chunks: string[] = []
  let chunk = createHash('sha256')
  let chunkSize = 0
  let size = 0
  return {
    update(bytes) {
      whole.update(bytes)
      size += bytes.length
      for (let from = 0; from < bytes.length; ) {
        const part = bytes.subarray(from, from + limits.chunkBytes - chunkSize)
        chunk.update(part)
        chunkSize += part.length
        from += part.length
        if (chunkSize === limits.chunkBytes) {
          chunks.push(chunk.digest('hex'))
          chunk = createHash('sha256')
          chunkSize = 0
        }
      }
    },
    finish() {
      if (chunkSize > 0) chunks.push(chunk.digest('hex'))
      return { digest: `sha256:${whole.digest('hex')}`, size, chunks }
    },
  }
}
