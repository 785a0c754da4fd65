/** Results as text for a terminal and a README. */
import type { Result, Round } from './run.ts'
import type { Unit } from './scenario.ts'
import { median, type Paired } from './statistics.ts'

/** One line a round: the median of each variant in the order in which they ran. */
export function roundLine({ number, order, samples, units }: Round): string {
  return `round ${number}: ${order.map((name) => `${name} ${figure(median(samples[name] ?? []), units[name])}`).join(', ')}`
}

/** A Markdown table with a row a variant, those that we lose and those that are absent included. */
export function resultTable({ rounds, variants, absent }: Result): string {
  const rows = [
    ['variant', 'median', 'p10 to p90', 'as much as', 'more by'],
    ...variants.map(({ name, unit, figures, against, ratio, difference }) => [
      name,
      figure(figures.median, unit),
      `${figure(figures.p10, unit)} to ${figure(figures.p90, unit)}`,
      ...(name === against
        ? ['', '']
        : [`${against}: ${interval(ratio, factor)}`, interval(difference, (each) => figure(each, unit))]),
    ]),
    ...absent.map(({ name, why }) => [name, 'absent', '', why, '']),
  ]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const [head, ...body] = rows.map((row) => `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`)
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  const confidence = variants[0]?.ratio.confidence ?? 0
  const note =
    `${rounds.length} rounds, each variant in a fresh process; the interval of a ratio is the least and the greatest ` +
    `round, which holds the median in ${(confidence * 100).toFixed(1)} % of runs.`
  return [head, rule, ...body, '', note].join('\n')
}

function interval({ median, least, most }: Paired, text: (figure: number) => string): string {
  return `${text(median)} (${text(least)} to ${text(most)})`
}

function figure(value: number, unit: Unit = 'ms'): string {
  if (unit === 'times') return `${factor(value)} ×`
  return unit === 'bytes' ? bytes(value) : time(value)
}

function time(ms: number): string {
  const size = Math.abs(ms)
  if (size < 0.1) return `${(ms * 1000).toPrecision(3)} µs`
  return size < 1000 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toPrecision(3)} s`
}

function bytes(count: number): string {
  const size = Math.abs(count)
  if (size < 1000) return `${count} B`
  return size < 1e6 ? `${(count / 1000).toPrecision(3)} kB` : `${(count / 1e6).toPrecision(3)} MB`
}

function factor(ratio: number): string {
  return Math.abs(ratio) < 100 ? ratio.toPrecision(3) : ratio.toFixed(0)
}
