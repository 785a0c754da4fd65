/** Results as text for a terminal and a README. */
import type { Result, Round } from './run.ts'
import { median } from './statistics.ts'

/** One line a round: the median of each variant in the order in which they ran. */
export function roundLine({ number, order, samples }: Round): string {
  return `round ${number}: ${order.map((name) => `${name} ${time(median(samples[name] ?? []))}`).join(', ')}`
}

/** A Markdown table with a row a variant, those that we lose and those that are absent included. */
export function resultTable({ rounds, variants, absent }: Result): string {
  const rows = [
    ['variant', 'median', 'p10 to p90', 'times as long as'],
    ...variants.map(({ name, times, against, ratio }) => [
      name,
      time(times.median),
      `${time(times.p10)} to ${time(times.p90)}`,
      name === against ? '' : `${against}: ${factor(ratio.median)} (${factor(ratio.least)} to ${factor(ratio.most)})`,
    ]),
    ...absent.map(({ name, why }) => [name, 'absent', '', why]),
  ]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const [head, ...body] = rows.map((row) => `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`)
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  const confidence = variants[0]?.ratio.confidence ?? 0
  const note =
    `${rounds.length} rounds, each variant in a fresh process; the interval of a ratio is the least and the greatest ` +
    `round, which holds the median in ${(confidence * 100).toFixed(1)} % of runs.`
  return [head, rule, ...body, '', note].join('\n')
}

function time(ms: number): string {
  if (ms < 0.1) return `${(ms * 1000).toPrecision(3)} µs`
  return ms < 1000 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toPrecision(3)} s`
}

function factor(ratio: number): string {
  return ratio < 100 ? ratio.toPrecision(3) : ratio.toFixed(0)
}
