/** Seeded numbers for simulations: xoshiro128+, from a seed spread by splitmix32. */

export interface Random {
  /** 0 to 1, 1 excluded. */
  uniform(): number
  normal(): number
}

export function openRandom(seed: number): Random {
  let state = seed >>> 0
  const word = () => {
    state = (state + 0x9e37_79b9) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0_aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  // xoshiro128+ (Blackman & Vigna): enough for a few million units a run.
  let [a, b, c, d] = [word(), word(), word(), word()]
  const uniform = () => {
    const result = (a + d) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    return (result >>> 0) / 2 ** 32
  }
  let spare: number | undefined
  return {
    uniform,
    normal() {
      if (spare !== undefined) {
        const kept = spare
        spare = undefined
        return kept
      }
      // Box and Muller.
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
      const angle = 2 * Math.PI * uniform()
      spare = radius * Math.sin(angle)
      return radius * Math.cos(angle)
    },
  }
}
