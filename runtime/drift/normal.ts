/** Quantiles of the standard normal distribution. */

/**
 * Φ⁻¹(p), by Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37, 1988.
 *
 * @param p - 1e-10 to 1 - 1e-10; nearer to the ends the algorithm has a third branch, which no rank of a baseline reaches
 * @returns relative error about 1e-16
 */
export function normalQuantile(p: number): number {
  const q = p - 0.5
  if (Math.abs(q) <= 0.425) {
    const r = 0.180_625 - q * q
    return (q * polynomial(centralNumerator, r)) / polynomial(centralDenominator, r)
  }
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p)) - 1.6
  return (Math.sign(q) * polynomial(outerNumerator, r)) / polynomial(outerDenominator, r)
}

// Highest power first.
const centralNumerator = [
  2509.080_928_730_122_7, 33_430.575_583_588_13, 67_265.770_927_008_7, 45_921.953_931_549_87, 13_731.693_765_509_46,
  1971.590_950_306_551_3, 133.141_667_891_784_38, 3.387_132_872_796_366_5,
]
const centralDenominator = [
  5226.495_278_852_854, 28_729.085_735_721_943, 39_307.895_800_092_71, 21_213.794_301_586_597, 5394.196_021_424_751,
  687.187_007_492_057_9, 42.313_330_701_600_91, 1,
]
const outerNumerator = [
  0.000_774_545_014_278_341_4, 0.022_723_844_989_269_184, 0.241_780_725_177_450_6, 1.270_458_252_452_368_4,
  3.647_848_324_763_204_5, 5.769_497_221_460_691, 4.630_337_846_156_546, 1.423_437_110_749_683_5,
]
const outerDenominator = [
  1.050_750_071_644_416_9e-9, 0.000_547_593_808_499_534_5, 0.015_198_666_563_616_457, 0.148_103_976_427_480_08,
  0.689_767_334_985_1, 1.676_384_830_183_803_8, 2.053_191_626_637_759, 1,
]

function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0)
}
