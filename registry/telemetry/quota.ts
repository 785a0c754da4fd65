/** Quotas: counts by name that begin anew with each minute. */

const windowMs = 60_000
const mostCallers = 10_000

export interface Quota {
  /** How many of them are within the quota. */
  take(name: string, wanted: number): number
  /** Until it begins anew. */
  leftMs(): number
}

export function openQuota(most: number, now: () => number): Quota {
  let began = now()
  const counts = new Map<string, number>()
  function start(): void {
    const at = now()
    if (at - began < windowMs && at >= began) return
    began = at
    counts.clear()
  }
  return {
    take(name, wanted) {
      start()
      // Whoever comes by more names than that shares one count.
      const key = counts.has(name) || counts.size < mostCallers ? name : 'others'
      const taken = Math.min(wanted, most - (counts.get(key) ?? 0))
      counts.set(key, (counts.get(key) ?? 0) + taken)
      return taken
    },
    leftMs: () => began + windowMs - now(),
  }
}
