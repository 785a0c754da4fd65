/** What a page keeps from visit to visit, in IndexedDB: signed plans, and reports that could not be sent yet. */
import { type DBSchema, openDB } from 'idb'
import type { TelemetryReport } from '../runtime/contract/telemetry.ts'

export interface PageState {
  /** The signed plan that was in force at the last visit; whoever takes it verifies it again. */
  plan(registry: string, endpoint: string): Promise<string | undefined>
  keepPlan(registry: string, endpoint: string, jws: string): Promise<void>
  /** A later report of the same sender and window replaces the one before: it says all that the one before said. */
  keepReport(url: string, report: TelemetryReport): Promise<ReportKey>
  forgetReport(key: ReportKey): Promise<void>
  /** Of earlier visits, too; oldest first. */
  waitingReports(): Promise<{ key: ReportKey; url: string; report: TelemetryReport }[]>
  close(): void
}

export type ReportKey = string

interface Schema extends DBSchema {
  plans: { key: string; value: string }
  reports: {
    key: ReportKey
    value: { url: string; report: TelemetryReport; keptAt: number }
    indexes: { keptAt: number }
  }
}

const keptReports = 200

export async function openPageState(): Promise<PageState> {
  const db = await openDB<Schema>('selvedge', 1, {
    upgrade(fresh) {
      fresh.createObjectStore('plans')
      fresh.createObjectStore('reports').createIndex('keptAt', 'keptAt')
    },
  })

  return {
    plan: (registry, endpoint) => db.get('plans', planKey(registry, endpoint)),
    async keepPlan(registry, endpoint, jws) {
      await db.put('plans', jws, planKey(registry, endpoint))
    },
    async keepReport(url, report) {
      const key = reportKey(report)
      const transaction = db.transaction('reports', 'readwrite')
      await transaction.store.put({ url, report, keptAt: Date.now() }, key)
      const surplus = (await transaction.store.count()) - keptReports
      let oldest = surplus > 0 ? await transaction.store.index('keptAt').openCursor() : null
      for (let i = 0; i < surplus && oldest !== null; i++) {
        await oldest.delete()
        oldest = await oldest.continue()
      }
      await transaction.done
      return key
    },
    forgetReport: (key) => db.delete('reports', key),
    async waitingReports() {
      const keys = await db.getAllKeysFromIndex('reports', 'keptAt')
      const kept = await db.getAllFromIndex('reports', 'keptAt')
      return kept.flatMap(({ url, report }, i) => (keys[i] === undefined ? [] : [{ key: keys[i], url, report }]))
    },
    close: () => db.close(),
  }
}

function planKey(registry: string, endpoint: string): string {
  return `${registry} ${endpoint}`
}

function reportKey({ sender, window }: TelemetryReport): ReportKey {
  return `${sender} ${window}`
}
