/** Counts of this process since its start, by name and labels. */

export interface Counters {
  /** @param labels - an object belongs to one name */
  add(name: string, labels: Readonly<Record<string, string>>, count?: number): void
  /** Those of the name, in the order in which they came up. */
  of(name: string): { labels: Readonly<Record<string, string>>; count: number }[]
}

interface Series {
  labels: Readonly<Record<string, string>>
  count: number
}

/** Labels must come from closed sets: a series is kept for ever. The same object again is found fastest. */
export function openCounters(): Counters {
  const series = new Map<string, Map<string, Series>>()
  const known = new WeakMap<object, Series>()

  function find(name: string, labels: Series['labels']): Series {
    const named = series.get(name) ?? new Map<string, Series>()
    series.set(name, named)
    const key = JSON.stringify(labels)
    const held = named.get(key) ?? { labels, count: 0 }
    named.set(key, held)
    known.set(labels, held)
    return held
  }

  return {
    add(name, labels, count = 1) {
      const held = known.get(labels) ?? find(name, labels)
      held.count += count
    },
    of: (name) => [...(series.get(name)?.values() ?? [])].map((each) => ({ ...each })),
  }
}
