/**
 * Ballast: a file that is there to be given up. SQLite writes to its log before it can delete anything, so that a full disk
 * would refuse the very thing that frees it.
 */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { SelvedgeError } from '../../../runtime/errors.ts'

export interface Ballast {
  /** Runs what frees space; where the disk is full, once more without the ballast. */
  free<T>(use: () => Promise<T>): Promise<T>
  /** Once or more often. */
  close(): void
}

/** Room for the log of some thousand deletions. */
export const ballastBytes = 4 * 1024 * 1024

const refillMs = 1000

/** @param file - made where it is missing; on a full disk it stays as small as it must, until there is room */
export function openBallast(file: string): Ballast {
  const descriptor = openSync(file, 'w', 0o600)
  let timer: NodeJS.Timeout | undefined
  let closed = false

  function refill(): void {
    timer = undefined
    try {
      // Zeros that are written, not a length that is set: a hole holds no space.
      for (let at = 0; at < ballastBytes; ) {
        const piece = new Uint8Array(Math.min(ballastBytes - at, 1024 * 1024))
        at += writeSync(descriptor, piece, 0, piece.length, at)
      }
    } catch {
      // What there is left is for the data: later, when something was freed.
      release()
    }
  }

  function release(): void {
    ftruncateSync(descriptor, 0)
    timer ??= setTimeout(refill, refillMs).unref()
  }

  refill()
  return {
    async free(use) {
      try {
        return await use()
      } catch (thrown) {
        if (!(thrown instanceof SelvedgeError && thrown.code === 'STORAGE_FULL')) throw thrown
        release()
        return await use()
      }
    },
    close() {
      clearTimeout(timer)
      if (!closed) closeSync(descriptor)
      closed = true
    },
  }
}
