/** Counts of this process since its start, by name and labels. */

export interface Counters {
  add(name: string, labels: Readonly<Record<string, string>>, count?: number): void
  /** Those of the name, in the order in which they came up. */
  of(name: string): { labels: Readonly<Record<string, string>>; count: number }[]
}

/** Labels must come from closed sets: a series is kept for ever. */
export function openCounters(): Counters {
  const series = new Map<string, Map<string, { labels: Readonly<Record<string, string>>; count: number }>>()
  return {
    add(name, labels, count = 1) {
      const named = series.get(name) ?? new Map()
      series.set(name, named)
      const key = JSON.stringify(labels)
      const held = named.get(key)
      named.set(key, { labels, count: (held?.count ?? 0) + count })
    },
    of: (name) => [...(series.get(name)?.values() ?? [])],
  }
}
