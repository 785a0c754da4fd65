/** What a page keeps from visit to visit, in IndexedDB: signed plans, and reports that could not be sent yet. */
import type { TelemetryReport } from '../../runtime/contract/telemetry.ts'
import { openStateDatabase, type StateDatabase } from './database.ts'

/**
 * Best effort: what cannot be kept costs a start without network or a report of an earlier visit, never an answer or a
 * report of this one, so nothing here rejects. What failed is told to the `failed` that it was opened with.
 */
export interface PageState {
  /** The signed plan that was in force at the last visit; whoever takes it verifies it again. */
  plan(registry: string, endpoint: string): Promise<string | undefined>
  keepPlan(registry: string, endpoint: string, jws: string): Promise<void>
  /** A later report of the same sender and window replaces the one before: it says all that the one before said. */
  keepReport(registry: string, report: TelemetryReport): Promise<void>
  /** Only exactly this report: another tab may have put a later one in its place. */
  forgetReport(registry: string, report: TelemetryReport): Promise<void>
  /** Of earlier visits, too; oldest first. */
  waitingReports(registry: string, endpoint: string): Promise<TelemetryReport[]>
  /** Reports, of this visit and earlier ones, that gave way to later ones because too many waited. */
  droppedReports(registry: string, endpoint: string): Promise<number>
  close(): void
}

const keptReports = 200

/** Where IndexedDB is refused nothing is kept: what this visit needs is in memory anyhow, in the scorer and its tally. */
export async function openPageState(failed: (error: unknown) => void): Promise<PageState> {
  let database: StateDatabase
  try {
    database = await openStateDatabase()
  } catch (error) {
    failed(error)
    return noState
  }

  async function attempt<T>(use: Promise<T>, otherwise: T): Promise<T> {
    try {
      return await use
    } catch (error) {
      failed(error)
      return otherwise
    }
  }

  return {
    plan: (...of) => attempt(database.get('plans', of), undefined),
    keepPlan: (registry, endpoint, jws) => attempt(keepPlan(database, registry, endpoint, jws), undefined),
    keepReport: (registry, report) => attempt(keepReport(database, registry, report), undefined),
    forgetReport: (registry, report) => attempt(forgetReport(database, registry, report), undefined),
    waitingReports: (...of) => attempt(waitingReports(database, ...of), []),
    droppedReports: async (...of) => (await attempt(database.get('dropped', of), undefined)) ?? 0,
    close: () => database.close(),
  }
}

const noState: PageState = {
  plan: async () => undefined,
  keepPlan: async () => undefined,
  keepReport: async () => undefined,
  forgetReport: async () => undefined,
  waitingReports: async () => [],
  droppedReports: async () => 0,
  close: () => undefined,
}

async function keepPlan(database: StateDatabase, registry: string, endpoint: string, jws: string): Promise<void> {
  await database.put('plans', jws, [registry, endpoint])
}

async function keepReport(database: StateDatabase, registry: string, report: TelemetryReport): Promise<void> {
  const transaction = database.transaction(['reports', 'dropped'], 'readwrite')
  const reports = transaction.objectStore('reports')
  const dropped = transaction.objectStore('dropped')
  const keep = async () => {
    await reports.put({ registry, endpoint: report.endpoint, report, keptAt: Date.now() })
    const surplus = (await reports.count()) - keptReports
    let oldest = surplus > 0 ? await reports.index('keptAt').openCursor() : null
    for (let i = 0; i < surplus && oldest !== null; i++) {
      const of: [string, string] = [oldest.value.registry, oldest.value.endpoint]
      await dropped.put(((await dropped.get(of)) ?? 0) + 1, of)
      await oldest.delete()
      oldest = await oldest.continue()
    }
  }
  await Promise.all([keep(), transaction.done])
}

async function forgetReport(database: StateDatabase, registry: string, report: TelemetryReport): Promise<void> {
  const transaction = database.transaction('reports', 'readwrite')
  const forget = async () => {
    const key: [string, string, string, string] = [registry, report.endpoint, report.sender, report.window]
    const kept = await transaction.store.get(key)
    if (kept?.report.seq === report.seq) await transaction.store.delete(key)
  }
  await Promise.all([forget(), transaction.done])
}

async function waitingReports(database: StateDatabase, registry: string, endpoint: string): Promise<TelemetryReport[]> {
  // An array sorts after every number: all times of this endpoint.
  const ofEndpoint = IDBKeyRange.bound([registry, endpoint], [registry, endpoint, []])
  const kept = await database.getAllFromIndex('reports', 'ofEndpoint', ofEndpoint)
  return kept.map(({ report }) => report)
}
