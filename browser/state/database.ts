/** The database of a page's state. */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb'
import type { TelemetryReport } from '../../runtime/contract/telemetry.ts'

/** Registry and endpoint. */
type Endpoint = [string, string]

interface Schema extends DBSchema {
  plans: { key: Endpoint; value: string }
  reports: {
    /** Registry, endpoint, sender, window. */
    key: [string, string, string, string]
    value: { registry: string; endpoint: string; report: TelemetryReport; keptAt: number }
    indexes: { keptAt: number; ofEndpoint: [string, string, number] }
  }
  dropped: { key: Endpoint; value: number }
}

export type StateDatabase = IDBPDatabase<Schema>

export async function openStateDatabase(): Promise<StateDatabase> {
  const database = await openDB<Schema>('selvedge-state', 1, {
    upgrade(fresh) {
      fresh.createObjectStore('plans')
      fresh.createObjectStore('dropped')
      const keyPath = ['registry', 'endpoint', 'report.sender', 'report.window']
      const reports = fresh.createObjectStore('reports', { keyPath })
      reports.createIndex('keptAt', 'keptAt')
      reports.createIndex('ofEndpoint', ['registry', 'endpoint', 'keptAt'])
    },
    // A page of a later version must not wait for this one.
    blocking: () => database.close(),
  })
  return database
}
