/** `selvedge why`: what a monitor says of an endpoint, made again here from the counts that the registry holds. */
import type { Command } from 'commander'
import { type DriftReport, driftReport, type FeatureDrift } from '../../runtime/contract/monitor.ts'
import { recompute } from '../../runtime/drift/report.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { readJson, request, type Server } from './answers.ts'
import { openContext } from './context.ts'
import { parseName } from './names.ts'
import { plain, renderTable } from './table.ts'

export interface WhyOptions {
  monitor?: string
  deployment?: string
}

export function addWhy(program: Command): void {
  program
    .command('why')
    .description(
      'Show whether the rows of an endpoint drifted, feature by feature, and from which numbers that follows.',
    )
    .argument('<endpoint>', 'such as housing', parseName)
    .option('--monitor <name>', 'the one to ask (default: default)', parseName)
    .option('--deployment <name>', 'the one to ask about (default: that with the most traffic)', parseName)
    .action(async (endpoint: string, _, command: Command) => {
      const { registry, options, output } = openContext<WhyOptions>(command)
      const report = proven(await readReport(registry, endpoint, options))
      output.result(report, () => renderReport(report))
    })
}

export function whyQuery({ monitor, deployment }: WhyOptions): URLSearchParams {
  return new URLSearchParams({ ...(monitor && { monitor }), ...(deployment && { deployment }) })
}

async function readReport(server: Server, endpoint: string, options: WhyOptions): Promise<DriftReport> {
  const path = `api/v1/endpoints/${encodeURIComponent(endpoint)}/drift?${whyQuery(options)}`
  return readJson(server, await request(server, path), driftReport)
}

/** @throws {@link SelvedgeError} `VERDICT_UNPROVEN` where the report's verdicts do not follow from its own numbers */
export function proven(report: DriftReport): DriftReport {
  const again = recompute(report)
  const pairs = [...again.features, ...again.outputs].map((found, i) => ({
    found,
    told: [...report.features, ...report.outputs][i],
  }))
  const wrong = pairs.find(({ found, told }) => found.verdict !== told?.verdict)
  if (wrong === undefined && again.verdict === report.verdict) return again
  const { name } = wrong?.found ?? { name: report.endpoint }
  const said = wrong?.told?.verdict ?? report.verdict
  const follows = wrong?.found.verdict ?? again.verdict
  throw new SelvedgeError('VERDICT_UNPROVEN', `"${name}": the registry says ${said}, its numbers ${follows}`, { name })
}

export function renderReport(report: DriftReport): string {
  const { endpoint, deployment, version, monitor, verdict, rows, senders, windows, from, clustering } = report
  const isServer = clustering === 'windows'
  const window = isServer ? monitor.block : monitor.window
  // Nothing in the rows tells early that it is broken, so it stands beside every verdict.
  const promise = isServer
    ? `: servers, whose rows ${window} apart are taken to be unrelated`
    : clustering === 'units'
      ? ", which told whose rows are one unit's"
      : ''
  const head = [
    `${endpoint}/${deployment}, version ${version}: ${words[verdict]}`,
    `monitor ${monitor.name}: ${windows} ${windows === 1 ? 'window' : 'windows'} of ${window} since ${from}, season ${monitor.season}, alpha ${monitor.alpha}`,
    `${rows} rows of ${senders} senders${promise}`,
  ]
  return `${head.map(plain).join('\n')}\n\n${renderFeatures([...report.features, ...report.outputs])}`
}

export const words = { drift: 'drift', no_drift: 'no drift', insufficient: 'not enough to tell' }

function renderFeatures(features: readonly FeatureDrift[]): string {
  return renderTable(
    [
      { title: 'FEATURE' },
      { title: 'VERDICT' },
      { title: 'MOVED MOST' },
      { title: 'BY (SD)', align: 'right' },
      { title: 'LIMIT', align: 'right' },
      { title: 'EVIDENCE', align: 'right' },
      { title: 'NEEDS', align: 'right' },
      { title: 'PSI', align: 'right' },
      { title: 'KS', align: 'right' },
      { title: 'LACKS' },
    ],
    features.map(({ name, verdict, directions, logEvidence, logThreshold, effects, lack }) => {
      const most = directions.toSorted((a, b) => Math.abs(b.mean) / b.limit - Math.abs(a.mean) / a.limit)[0]
      return [
        name,
        words[verdict],
        most?.name ?? '',
        most === undefined ? '' : signed(most.mean, most.radius),
        most?.limit.toFixed(2) ?? '',
        // Natural logarithms: what is counted in powers of ten is read more easily.
        tens(logEvidence),
        tens(logThreshold),
        effects?.psi.value.toFixed(3) ?? '',
        effects?.ks === undefined ? '' : `${effects.ks.low.toFixed(3)}–${effects.ks.high.toFixed(3)}`,
        lack === undefined ? '' : renderLack(lack),
      ]
    }),
  )
}

function renderLack({ what, count }: NonNullable<FeatureDrift['lack']>): string {
  return what === 'baseline rows' ? `a baseline of ${count} rows` : `${count} more ${what}`
}

function signed(mean: number, radius: number | undefined): string {
  const spread = radius === undefined ? '' : ` ± ${radius.toFixed(2)}`
  return `${mean > 0 ? '+' : ''}${mean.toFixed(2)}${spread}`
}

function tens(log: number): string {
  return `10^${(log / Math.LN10).toFixed(1)}`
}
