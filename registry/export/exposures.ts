/** Exposures as a table: a row a unit, day, deployment and split, with what it was answered as far as that was counted. */
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import { cellNames } from '../../runtime/telemetry/profile.ts'
import type { ExposedPlace, ExposedUnit } from '../store/exports.ts'
import type { Store } from '../store/store.ts'
import type { Table } from './parquet.ts'

export interface ExposureRow extends ExposedUnit {
  endpoint: string
  /** Names of the cells, by output. */
  answered?: Readonly<Record<string, string>> | undefined
}

export const exposureTable: Table<ExposureRow> = {
  about: 'Units that a deployment answered, once a UTC day and split.',
  columns: [
    { name: 'endpoint', type: 'STRING', about: 'Endpoint.', of: (row) => row.endpoint },
    {
      name: 'unit',
      type: 'STRING',
      about: 'First 16 bytes of HMAC-SHA-256(salt, unit), base64url: no name of a unit ever comes here.',
      of: (row) => row.unit,
    },
    { name: 'day', type: 'STRING', about: 'UTC day, as 2026-11-24.', of: (row) => row.day },
    { name: 'deployment', type: 'STRING', about: 'Deployment that answered.', of: (row) => row.deployment },
    {
      name: 'revision',
      type: 'INT64',
      about: 'Of the plan with which the split came by which the unit was assigned; 0 where none is known.',
      of: (row) => BigInt(row.revision),
    },
    { name: 'at', type: 'TIMESTAMP', about: 'When it first answered that day, UTC.', of: (row) => new Date(row.at) },
    {
      name: 'version',
      type: 'INT32',
      nullable: true,
      about: 'Version of the model; null where the answer was not counted.',
      of: (row) => row.prediction?.version,
    },
    {
      name: 'spec',
      type: 'STRING',
      nullable: true,
      about: 'Digest of the ProfileSpec that has the cells; null as version.',
      of: (row) => row.prediction?.spec,
    },
    {
      name: 'answered',
      type: 'STRING',
      nullable: true,
      about: 'The cell of each output by name, as JSON: {"class":"high","score":"0.8 to 0.9"}; null as version.',
      of: ({ answered }) => answered && JSON.stringify(answered),
    },
  ],
}

const pageUnits = 2000

export async function* exposureRows(
  store: Store,
  endpoint: string,
  { from, to }: { from: number; to: number },
): AsyncGenerator<ExposureRow> {
  const served = await store.endpoints.served(endpoint)
  const outputs = new Map(served.flatMap(({ spec }) => (spec ? [[spec.digest, namesOf(spec.spec)] as const] : [])))
  const span = { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
  let after: ExposedPlace | undefined
  do {
    const page = await store.exports.exposures(endpoint, { ...span, after, limit: pageUnits })
    for (const row of page) {
      const names = row.prediction && outputs.get(row.prediction.spec)
      yield { endpoint, ...row, answered: names?.(row.prediction?.cells ?? []) }
    }
    await othersTurn()
    after = page.length === pageUnits ? page.at(-1) : undefined
  } while (after !== undefined)
}

function namesOf({ outputs }: ProfileSpec) {
  const named = outputs.map((output) => ({ name: output.name, cells: cellNames(output) }))
  return (cells: readonly number[]): Record<string, string> =>
    Object.fromEntries(named.map(({ name, cells: names }, i) => [name, names[cells[i] ?? -1] ?? '']))
}
