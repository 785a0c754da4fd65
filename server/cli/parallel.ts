/** Work on many items, a few of them at a time. */

/** Transfers at once: more than one hides what a small file waits for, more than a few take nothing from a full line. */
export const transfersAtOnce = 4

/** The first failure ends what is under way, waits for it, and is thrown. */
export async function forEachAtOnce<T>(
  items: readonly T[],
  most: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController()
  const left = items.values()
  const lanes = Array.from({ length: Math.min(most, items.length) }, async () => {
    for (const item of left) {
      stop.signal.throwIfAborted()
      await work(item, stop.signal)
    }
  })
  try {
    await Promise.all(lanes)
  } catch (thrown) {
    stop.abort()
    await Promise.allSettled(lanes)
    throw thrown
  }
}
