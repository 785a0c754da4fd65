/** SHA-256 of a stream as a whole and of each 4 MiB of it, in one pass. */
import { createHash, type Hash } from 'node:crypto'
import { limits } from '../../runtime/limits.ts'
import type { BlobRecord } from '../store/store.ts'

export interface Digester {
  update(bytes: Uint8Array): void
  /** One that goes on by itself from here. */
  copy(): Digester
  /** Of all that came until now. */
  record(): BlobRecord
}

export function openDigester(): Digester {
  return digesterFrom({ whole: createHash('sha256'), chunks: [], chunk: createHash('sha256'), chunkSize: 0, size: 0 })
}

interface State {
  whole: Hash
  /** Digests of the chunks that are full. */
  chunks: string[]
  chunk: Hash
  chunkSize: number
  size: number
}

function digesterFrom(state: State): Digester {
  return {
    update(bytes) {
      state.whole.update(bytes)
      state.size += bytes.length
      for (let from = 0; from < bytes.length; ) {
        const part = bytes.subarray(from, from + limits.chunkBytes - state.chunkSize)
        state.chunk.update(part)
        state.chunkSize += part.length
        from += part.length
        if (state.chunkSize === limits.chunkBytes) {
          state.chunks.push(state.chunk.digest('hex'))
          state.chunk = createHash('sha256')
          state.chunkSize = 0
        }
      }
    },
    copy() {
      return digesterFrom({
        ...state,
        whole: state.whole.copy(),
        chunks: [...state.chunks],
        chunk: state.chunk.copy(),
      })
    },
    record() {
      const last = state.chunkSize > 0 ? [state.chunk.copy().digest('hex')] : []
      return {
        digest: `sha256:${state.whole.copy().digest('hex')}`,
        size: state.size,
        chunks: [...state.chunks, ...last],
      }
    },
  }
}
