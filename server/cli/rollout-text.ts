/** A rollout in words: where it is, what it waits for, what its guards say, and how it came there. */
import type { GuardComparison, GuardResult, Rollout, RolloutEntry } from '../../runtime/contract/rollout.ts'
import { labelOf } from '../../runtime/rollout/decide.ts'
import { plain, renderNumber, renderTable } from './table.ts'

export function renderRollout(rollout: Rollout): string {
  const { id, endpoint, deployment, state, percent, steps, history, now } = rollout
  const evidence = now?.evidence ?? history.at(-1)?.evidence
  return [
    `rollout ${id} of ${endpoint}/${deployment}: ${state}, ${percent} % of ${steps.join(', ')} %\n`,
    ...(now && now.waits.length > 0 ? [`waits for ${now.waits.map(plain).join(', ')}\n`] : []),
    ...(evidence && evidence.guards.length > 0 ? ['\n', renderGuards(evidence.guards)] : []),
    '\n',
    ...history.map((entry) => `${renderEntry(entry)}\n`),
  ].join('')
}

/** `10:03:04  advanced to 25 %` */
export function renderEntry({ at, action, percent, why }: RolloutEntry): string {
  const time = at.slice(11, 19)
  return plain(`${time}  ${places[action](percent)}${why === undefined ? '' : `: ${why}`}`)
}

const places: Readonly<Record<RolloutEntry['action'], (percent: number) => string>> = {
  started: (percent) => `started with ${percent} %`,
  advanced: (percent) => `advanced to ${percent} %`,
  completed: (percent) => `completed with ${percent} %`,
  reverted: (percent) => `taken back to ${percent} %`,
  paused: (percent) => `paused at ${percent} %`,
  resumed: (percent) => `resumed at ${percent} %`,
  aborted: (percent) => `aborted, back to ${percent} %`,
}

/** `error_rate open, sample_ratio fine` */
export function renderGuardWords(guards: readonly GuardResult[]): string {
  return guards.map(({ guard, verdict }) => `${labelOf(guard)} ${verdict}`).join(', ')
}

function renderGuards(guards: readonly GuardResult[]): string {
  const rows = guards.flatMap((result) => {
    const { ratio, comparisons, verdict, guard } = result
    const label = labelOf(guard)
    if (ratio !== undefined) return [[label, verdict, '', '', '', unitsOf(ratio)]]
    if (comparisons.length === 0) return [[label, verdict, '', '', '', '']]
    return comparisons.map((each, i) => [i === 0 ? label : '', i === 0 ? verdict : '', ...cellsOf(each)])
  })
  return renderTable(
    [
      { title: 'GUARD' },
      { title: 'SAYS' },
      { title: 'DIFFERENCE', align: 'right' },
      { title: 'BETWEEN' },
      { title: 'LIMIT', align: 'right' },
      { title: 'OF' },
    ],
    rows,
  )
}

function cellsOf({ name, difference, low, high, margin, green, blue }: GuardComparison): string[] {
  const between = low === undefined || high === undefined ? '' : `${signed(low)} and ${signed(high)}`
  return [
    signed(difference),
    between,
    renderNumber(margin),
    `${name}; ${green.clusters} against ${blue.clusters} units`,
  ]
}

function signed(value: number): string {
  const text = renderNumber(Number(value.toPrecision(3)))
  return value > 0 ? `+${text}` : text
}

function unitsOf({ units, shares }: NonNullable<GuardResult['ratio']>): string {
  return Object.entries(units)
    .map(([name, count]) => `${name}: ${count} new units, ${renderNumber(100 * (shares[name] ?? 0))} % due`)
    .join('; ')
}
