/** Numbers that are the same for the same seed everywhere, and the distributions that a simulation draws from. */
import { normalQuantile } from '../../../runtime/drift/normal.ts'

export interface Random {
  /** Above 0, below 1. */
  uniform(): number
  normal(): number
  /** @param shape - at least 1 */
  gamma(shape: number): number
  binomial(n: number, p: number): number
  /** Adds `n` rows to `counts`, by shares that sum to 1. */
  multinomial(n: number, shares: Float64Array, counts: Int32Array): void
}

/** sfc32 (Doty-Humphrey, PractRand). */
export function openRandom(seed: number): Random {
  const state = Int32Array.of(0, seed >>> 0, Math.floor(seed / 2 ** 32) ^ 0x9e3779b9, 1)
  const drawn = new Uint32Array(1024)
  let at = drawn.length
  // Many at once, so that the state stays in registers.
  function draw(): void {
    let [a = 0, b = 0, c = 0, count = 0] = state
    for (let i = 0; i < drawn.length; i++) {
      const sum = (((a + b) | 0) + count) | 0
      count = (count + 1) | 0
      a = b ^ (b >>> 9)
      b = (c + (c << 3)) | 0
      c = (((c << 21) | (c >>> 11)) + sum) | 0
      drawn[i] = sum
    }
    state.set([a, b, c, count])
    at = 0
  }
  const next = () => {
    if (at === drawn.length) draw()
    return drawn[at++] ?? 0
  }
  for (let i = 0; i < 15; i++) next()
  const uniform = () => (next() + 0.5) / 2 ** 32

  // Marsaglia and Tsang, "The Ziggurat Method for Generating Random Variables", 2000: seven bits for the layer, the other
  // 25 for the place in it.
  function normal(): number {
    for (;;) {
      const bits = next()
      const layer = bits & 127
      const u = ((bits >>> 7) + 0.5) / 2 ** 24 - 1
      if (Math.abs(u) < (inside[layer] ?? 0)) return u * (widths[layer] ?? 0)
      if (layer === 0) return Math.sign(u) * tail()
      const x = u * (widths[layer] ?? 0)
      const [low, high] = [heights[layer] ?? 0, heights[layer + 1] ?? 0]
      if (low + uniform() * (high - low) < Math.exp(-0.5 * x * x)) return x
    }
  }

  function tail(): number {
    for (;;) {
      const x = -Math.log(uniform()) / tailStart
      if (-2 * Math.log(uniform()) > x * x) return tailStart + x
    }
  }

  // Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", 2000.
  function gamma(shape: number): number {
    const d = shape - 1 / 3
    const scale = 1 / Math.sqrt(9 * d)
    for (;;) {
      const x = normal()
      const v = (1 + scale * x) ** 3
      if (v > 0 && Math.log(uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
    }
  }

  function binomial(n: number, p: number): number {
    if (p > 0.5) return n - binomial(n, 1 - p)
    if (n <= 0 || p <= 0) return 0
    return n * p < 10 ? inversion(n, p) : transformedRejection(n, p)
  }

  function inversion(n: number, p: number): number {
    const odds = p / (1 - p)
    let probability = (1 - p) ** n
    let left = uniform()
    for (let k = 0; k <= n; k++) {
      if (left < probability) return k
      left -= probability
      probability *= (odds * (n - k)) / (k + 1)
    }
    return n
  }

  // Hörmann, "The generation of binomial random variates", 1993: algorithm BTRS.
  function transformedRejection(n: number, p: number): number {
    const deviation = Math.sqrt(n * p * (1 - p))
    const slope = 1.15 + 2.53 * deviation
    const shift = -0.0873 + 0.0248 * slope + 0.01 * p
    const centre = n * p + 0.5
    const squeeze = 0.92 - 4.2 / slope
    const mode = Math.floor((n + 1) * p)
    for (;;) {
      const u = uniform() - 0.5
      let v = uniform()
      const near = 0.5 - Math.abs(u)
      const k = Math.floor(((2 * shift) / near + slope) * u + centre)
      if (near >= 0.07 && v <= squeeze) return k
      if (k < 0 || k > n) continue
      v *= ((2.83 + 5.1 / slope) * deviation) / (shift / (near * near) + slope)
      const odds = (k - mode) * Math.log(p / (1 - p))
      const bound = logFactorial(mode) + logFactorial(n - mode) - logFactorial(k) - logFactorial(n - k) + odds
      if (Math.log(v) <= bound) return k
    }
  }

  function multinomial(n: number, shares: Float64Array, counts: Int32Array): void {
    let [rows, left] = [n, 1]
    const last = shares.length - 1
    for (let i = 0; i < last && rows > 0; i++) {
      const share = shares[i] ?? 0
      const own = left > share ? binomial(rows, share / left) : rows
      counts[i] = (counts[i] ?? 0) + own
      rows -= own
      left -= share
    }
    counts[last] = (counts[last] ?? 0) + rows
  }

  return { uniform, normal, gamma, binomial, multinomial }
}

/** Φ(x); W. J. Cody's erfc would be exact to the last digit, Hart's approximation (West 2005) is to 1e-14. */
export function normalShare(x: number): number {
  const z = Math.abs(x)
  if (z > 37) return x > 0 ? 1 : 0
  const density = Math.exp(-0.5 * z * z)
  const low =
    z < 7.071_067_811_865_47
      ? (density * polynomial(hartNumerator, z)) / polynomial(hartDenominator, z)
      : density / (z + 1 / (z + 2 / (z + 3 / (z + 4 / (z + 0.65))))) / 2.506_628_274_631
  return x > 0 ? 1 - low : low
}

/** Values of the given ranks, rising, in a sample of `size` from the standard normal, without the sample. */
export function normalOrderStatistics(random: Random, size: number, ranks: readonly number[]): number[] {
  let [sum, before] = [0, 0]
  const sums = ranks.map((rank) => {
    if (rank > before) sum += random.gamma(rank - before)
    before = rank
    return sum
  })
  const total = sum + random.gamma(size + 1 - before)
  return sums.map((each) => normalQuantile(each / total))
}

const hartNumerator = [
  0.035_262_496_599_891_1, 0.700_383_064_443_688, 6.373_962_203_531_65, 33.912_866_078_383, 112.079_291_497_871,
  221.213_596_169_931, 220.206_867_912_376,
]
const hartDenominator = [
  0.088_388_347_648_318_4, 1.755_667_163_182_64, 16.064_177_579_207, 86.780_732_202_946_1, 296.564_248_779_674,
  637.333_633_378_831, 793.826_512_519_948, 440.413_735_824_752,
]

function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0
  for (let i = 0; i < coefficients.length; i++) sum = sum * x + (coefficients[i] ?? 0)
  return sum
}

// Stirling's series from 16 on: its first term left out is under 1e-12 there.
const factorials = Float64Array.from({ length: 16 }, (_, n) => {
  let log = 0
  for (let i = 2; i <= n; i++) log += Math.log(i)
  return log
})

function logFactorial(n: number): number {
  if (n < 16) return factorials[n] ?? 0
  const x = n + 1
  const inverse = 1 / (x * x)
  const series = (1 / 12 - (1 / 360 - (1 / 1260 - inverse / 1680) * inverse) * inverse) / x
  return (x - 0.5) * Math.log(x) - x + 0.918_938_533_204_672_7 + series
}

// 128 layers of equal area under exp(-x²/2); the lowest holds the tail.
const tailStart = 3.442_619_855_899
const area = 9.912_563_035_262_17e-3
const { widths, inside, heights } = layers()

function layers(): { widths: Float64Array; inside: Float64Array; heights: Float64Array } {
  const density = (x: number) => Math.exp(-0.5 * x * x)
  const widths = new Float64Array(129)
  widths[0] = area / density(tailStart)
  widths[1] = tailStart
  for (let i = 2; i < 128; i++) {
    const outer = widths[i - 1] ?? 0
    widths[i] = Math.sqrt(-2 * Math.log(area / outer + density(outer)))
  }
  const heights = Float64Array.from({ length: 129 }, (_, i) => (i === 0 ? 0 : density(widths[i] ?? 0)))
  const inside = Float64Array.from({ length: 128 }, (_, i) => (widths[i + 1] ?? 0) / (widths[i] ?? 1))
  return { widths, inside, heights }
}
