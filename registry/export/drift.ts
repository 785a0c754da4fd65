/** Looks of monitors as a table: a row a look and part, with the numbers of its report where that is kept. */
import { setImmediate as othersTurn } from 'node:timers/promises'
import { type FeatureDrift, type Monitor, type MonitorLook, monitorLook } from '../../runtime/contract/monitor.ts'
import { monitorReport } from '../../runtime/contract/monitor-reports.ts'
import { monitorsOf, watchedOf } from '../monitor/watched.ts'
import type { EndpointState, Store } from '../store/store.ts'
import type { Table } from './parquet.ts'

export interface LookPart {
  look: MonitorLook
  signal: Monitor['signal']
  part: MonitorLook['parts'][number]
  /** Of a report of features that is kept. */
  drift?: FeatureDrift | undefined
}

const ofReport = 'null where the look’s report is no longer kept or is none of features'

export const driftTable: Table<LookPart> = {
  about: 'What monitors said at the end of each window, part by part.',
  columns: [
    { name: 'endpoint', type: 'STRING', about: 'Endpoint.', of: ({ look }) => look.endpoint },
    { name: 'monitor', type: 'STRING', about: 'Monitor.', of: ({ look }) => look.monitor },
    { name: 'signal', type: 'STRING', about: 'drift, quality, performance or health.', of: ({ signal }) => signal },
    { name: 'deployment', type: 'STRING', about: 'Deployment.', of: ({ look }) => look.deployment },
    { name: 'version', type: 'INT32', about: 'Version of the model.', of: ({ look }) => look.version },
    { name: 'at', type: 'TIMESTAMP', about: 'End of the window, UTC.', of: ({ look }) => new Date(look.at) },
    { name: 'rows', type: 'INT64', about: 'Rows of the whole report.', of: ({ look }) => BigInt(look.rows) },
    {
      name: 'monitor_verdict',
      type: 'STRING',
      about: 'Verdict on all parts together.',
      of: ({ look }) => look.verdict,
    },
    {
      name: 'part',
      type: 'STRING',
      about: 'features/<name>, outputs/<name>, a metric, errors or latency.',
      of: ({ part }) => part.part,
    },
    {
      name: 'verdict',
      type: 'STRING',
      about: 'drift, no_drift or insufficient.',
      of: ({ part }) => part.verdict,
    },
    {
      name: 'log_evidence',
      type: 'DOUBLE',
      nullable: true,
      about: 'ln E; null for parts without evidence.',
      of: ({ part }) => part.logEvidence,
    },
    {
      name: 'log_threshold',
      type: 'DOUBLE',
      nullable: true,
      about: 'ln E at which there is an alarm; null as log_evidence.',
      of: ({ part }) => part.logThreshold,
    },
    {
      name: 'block_from',
      type: 'TIMESTAMP',
      nullable: true,
      about: `Start of the windows that the verdict stands on; ${ofReport}.`,
      of: ({ drift }) => drift && new Date(drift.block.from),
    },
    {
      name: 'block_to',
      type: 'TIMESTAMP',
      nullable: true,
      about: `Their end; ${ofReport}.`,
      of: ({ drift }) => drift && new Date(drift.block.to),
    },
    {
      name: 'clusters',
      type: 'INT64',
      nullable: true,
      about: `Pairs of a sender or unit and a day, or spans of windows; ${ofReport}.`,
      of: ({ drift }) => drift && BigInt(drift.clusters),
    },
    {
      name: 'direction',
      type: 'STRING',
      nullable: true,
      about: `The direction that moved farthest for its limit; ${ofReport}.`,
      of: ({ drift }) => farthest(drift)?.name,
    },
    {
      name: 'mean',
      type: 'DOUBLE',
      nullable: true,
      about: `By how many standard deviations of the baseline it moved; ${ofReport}.`,
      of: ({ drift }) => farthest(drift)?.mean,
    },
    {
      name: 'radius',
      type: 'DOUBLE',
      nullable: true,
      about: `Half the width of its bracket; ${ofReport}, or there are no rows.`,
      of: ({ drift }) => farthest(drift)?.radius,
    },
    {
      name: 'limit',
      type: 'DOUBLE',
      nullable: true,
      about: `By how much it may move; ${ofReport}.`,
      of: ({ drift }) => farthest(drift)?.limit,
    },
    {
      name: 'psi',
      type: 'DOUBLE',
      nullable: true,
      about: `Population stability index, with half a row added to each cell; ${ofReport}, or there are no rows.`,
      of: ({ drift }) => drift?.effects?.psi.value,
    },
    {
      name: 'jensen_shannon',
      type: 'DOUBLE',
      nullable: true,
      about: `Jensen-Shannon distance, base 2; null as psi.`,
      of: ({ drift }) => drift?.effects?.jensenShannon,
    },
    {
      name: 'ks_low',
      type: 'DOUBLE',
      nullable: true,
      about: 'Least that the Kolmogorov-Smirnov statistic can be; null as psi and for categories.',
      of: ({ drift }) => drift?.effects?.ks?.low,
    },
    {
      name: 'ks_high',
      type: 'DOUBLE',
      nullable: true,
      about: 'Most that it can be; null as ks_low.',
      of: ({ drift }) => drift?.effects?.ks?.high,
    },
  ],
}

const pageLooks = 200

/** The newest look of each monitor and deployment first. */
export async function* driftRows(
  store: Store,
  endpoint: EndpointState,
  { from, to }: { from: number; to: number },
): AsyncGenerator<LookPart> {
  const monitors = await monitorsOf(store, endpoint, await watchedOf(store, endpoint))
  const first = new Date(from).toISOString()
  for (const { name: monitor, signal } of monitors) {
    for (const { name: deployment } of endpoint.deployments) {
      const looked = { endpoint: endpoint.name, monitor, deployment }
      for (let before: string | undefined = new Date(to).toISOString(); before !== undefined; ) {
        const page = await store.looks.looks(looked, { before, limit: pageLooks })
        for (const past of page) {
          if (past.at < first) break
          const look = monitorLook.parse({ ...past, ...(past.summary as object) })
          const report = await featuresAt(store, looked, look.at)
          for (const part of look.parts) yield { look, signal, part, drift: report?.get(part.part) }
          await othersTurn()
        }
        const last = page.at(-1)
        before = page.length === pageLooks && last !== undefined && last.at >= first ? last.at : undefined
      }
    }
  }
}

async function featuresAt(store: Store, looked: Parameters<Store['looks']['report']>[0], at: string) {
  const kept = await store.looks.report(looked, at)
  if (kept === undefined) return undefined
  const report = monitorReport.parse(kept)
  if (!('features' in report)) return undefined
  return new Map<string, FeatureDrift>([
    ...report.features.map((each) => [`features/${each.name}`, each] as const),
    ...report.outputs.map((each) => [`outputs/${each.name}`, each] as const),
  ])
}

function farthest(drift: FeatureDrift | undefined): FeatureDrift['directions'][number] | undefined {
  return drift?.directions.toSorted((a, b) => Math.abs(b.mean) / b.limit - Math.abs(a.mean) / a.limit)[0]
}
