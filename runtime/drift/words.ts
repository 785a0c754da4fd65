/** What monitors report, in words: the same ones in a page, in a file and in the shell. */
import type { DriftReport, FeatureDrift } from '../contract/monitor.ts'

const numbers = new Intl.NumberFormat('en')

export const verdictWords: Record<FeatureDrift['verdict'], string> = {
  drift: 'drift',
  no_drift: 'no drift',
  insufficient: 'not enough to tell',
}

/** What a cluster is. */
export const clusterWords: Record<DriftReport['clustering'], string> = {
  senders: 'pairs of a sender and a day',
  units: 'pairs of a unit and a day',
  windows: 'unrelated windows',
}

/** What its verdicts rest on that no row can show, a sentence each. */
export function promisesOf({ clustering, monitor, rows, untrusted }: DriftReport): string[] {
  const clusters = {
    senders: 'Rows of two senders, or of one on two days, are taken to be unrelated.',
    units:
      'Hosts told whose rows are one unit’s: those of two units are taken to be unrelated, and a sender that told nothing to be one unit.',
    windows: `Rows are of a few servers that did not tell whose they are: the verdicts rest on the operator’s promise that rows ${monitor.block} apart are unrelated.`,
  }
  if (untrusted === undefined) return [clusters[clustering]]
  const pages = `${numbers.format(untrusted)} of ${numbers.format(rows)} rows came with page tokens, which anyone can read in a page: nobody vouches for them.`
  return [clusters[clustering], pages]
}

export function lackWords({ what, count }: NonNullable<FeatureDrift['lack']>): string {
  const number = numbers.format(count)
  return what === 'baseline rows' ? `a baseline of ${number} rows` : `${number} more ${what}`
}

/** @param log - natural: what is counted in powers of ten is read more easily */
export function tens(log: number): string {
  return fixed(log / Math.LN10, 1)
}

/** With its sign, and half the width of its bracket. */
export function signed(mean: number, radius: number | undefined): string {
  const spread = radius === undefined ? '' : ` ± ${radius.toFixed(2)}`
  return `${mean > 0 ? '+' : ''}${fixed(mean, 2)}${spread}`
}

// What rounds to 0 has no sign.
function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits)
  return Number(text) === 0 ? (0).toFixed(digits) : text
}
