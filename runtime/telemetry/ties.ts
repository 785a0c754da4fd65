/**
 * Ties: how often each number of a column came, in bounded memory. A column of at most 16,384 different numbers is kept as
 * it is; of more, neighbours are taken together until there are as many groups.
 */

/** One number that came several times, or numbers next to each other. */
export interface Tie {
  least: number
  greatest: number
  rows: number
  positives: number
}

export interface Ties {
  /** @param value - finite as a float32, to which it is rounded */
  add(value: number, isPositive?: boolean): void
  /** Rising; the same for the same numbers in any order. */
  read(): Tie[]
}

/** Groups of a column, and numbers that wait to be sorted. */
const most = 16_384

export function openTies(): Ties {
  let waiting: number[] = []
  let groups: Group[] = []
  // Numbers whose places differ in so many low bits alone are one group. It rises only as far as all numbers ask for.
  let level = 0

  function flush(): void {
    groups = merge(groups, groupsOf(Float64Array.from(waiting).sort()), level)
    waiting = []
    while (groups.length > most) groups = merge(groups, [], ++level)
  }

  return {
    add(value, isPositive = false) {
      if (waiting.length === most) flush()
      waiting.push(2 * placeOf(value) + (isPositive ? 1 : 0))
    },
    read() {
      flush()
      return groups.map(({ first, last, rows, positives }) => {
        return { least: valueAt(first), greatest: valueAt(last), rows, positives }
      })
    },
  }
}

interface Group {
  /** Places of its least and greatest number. */
  first: number
  last: number
  rows: number
  positives: number
}

function groupsOf(sorted: Float64Array): Group[] {
  const groups: Group[] = []
  for (const waited of sorted) {
    const place = Math.floor(waited / 2)
    const positives = waited - 2 * place
    const last = groups.at(-1)
    if (last?.first === place) {
      last.rows++
      last.positives += positives
    } else groups.push({ first: place, last: place, rows: 1, positives })
  }
  return groups
}

function merge(a: readonly Group[], b: readonly Group[], level: number): Group[] {
  const merged: Group[] = []
  const step = 2 ** level
  const add = (group: Group) => {
    const last = merged.at(-1)
    if (last === undefined || Math.floor(last.first / step) !== Math.floor(group.first / step)) {
      merged.push({ ...group })
      return
    }
    last.last = Math.max(last.last, group.last)
    last.rows += group.rows
    last.positives += group.positives
  }
  let next = 0
  for (const group of a) {
    for (let other = b[next]; other !== undefined && other.first < group.first; other = b[++next]) add(other)
    add(group)
  }
  for (const other of b.slice(next)) add(other)
  return merged
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** Place of a float32 among all of them, from the least: 0 to 2^32 - 1. */
function placeOf(value: number): number {
  // Adding 0 makes 0 of -0, which would be another place.
  float[0] = value + 0
  const own = bits[0] ?? 0
  return own >= 2 ** 31 ? 2 ** 32 - 1 - own : own + 2 ** 31
}

function valueAt(place: number): number {
  bits[0] = place < 2 ** 31 ? 2 ** 32 - 1 - place : place - 2 ** 31
  return float[0] ?? 0
}
