/**
 * Who brings a blob and who takes it away, one against the other: between bytes that stand in their place and the row that
 * says so, they look like garbage. In this process alone, which is enough while one process has the data folder.
 */

export interface Claims {
  /** Runs while nobody takes the blob away; waits for one who does. Many may bring it at once. */
  bring<T>(digest: string, use: () => Promise<T>): Promise<T>
  /** Runs while nobody brings the blob; left out, and false, where someone does. */
  take(digest: string, use: () => Promise<void>): Promise<boolean>
}

export function openClaims(): Claims {
  const bringing = new Map<string, number>()
  const taking = new Map<string, Promise<void>>()
  return {
    async bring(digest, use) {
      bringing.set(digest, (bringing.get(digest) ?? 0) + 1)
      try {
        await taking.get(digest)
        return await use()
      } finally {
        const left = (bringing.get(digest) ?? 1) - 1
        if (left === 0) bringing.delete(digest)
        else bringing.set(digest, left)
      }
    },
    async take(digest, use) {
      if (bringing.has(digest) || taking.has(digest)) return false
      const { promise, resolve } = Promise.withResolvers<void>()
      taking.set(digest, promise)
      try {
        await use()
      } finally {
        taking.delete(digest)
        resolve()
      }
      return true
    },
  }
}
