/** In which order the variants of a round run. */

/**
 * The orders of all rounds: shuffled by the seed, and each second round the mirror of the one before, so that a machine
 * that gets slower or faster in the course of a run does so to every variant alike.
 */
export function roundOrders(variants: readonly string[], rounds: number, seed: number): string[][] {
  const random = generator(seed)
  const orders: string[][] = []
  for (let round = 0; round < rounds; round++) {
    const before = orders.at(-1)
    orders.push(round % 2 === 1 && before ? before.toReversed() : shuffled(variants, random))
  }
  return orders
}

// Fisher and Yates.
function shuffled(items: readonly string[], random: () => number): string[] {
  const mixed = [...items]
  for (let last = mixed.length - 1; last > 0; last--) {
    const [taken] = mixed.splice(Math.floor(random() * (last + 1)), 1)
    if (taken !== undefined) mixed.push(taken)
  }
  return mixed
}

// mulberry32 (Tommy Ettinger): small, and the same numbers on every machine.
function generator(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
