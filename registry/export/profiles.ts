/** Profiles as a table: a row a cell, counted by hour; days that ended come from their sums, whatever the number of hosts. */
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { ProfileFeature, ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import { cellNames } from '../../runtime/telemetry/profile.ts'
import { type Counted, type Side, type Source, together } from '../store/days.ts'
import type { ReportedProfile } from '../store/exports.ts'
import type { Store } from '../store/store.ts'
import { dayMs, dayOf, hourMs, keptHoursMs, partsOf } from '../telemetry/fold.ts'
import type { Table } from './parquet.ts'

export interface ProfileCell {
  endpoint: string
  /** ms since 1970. */
  from: number
  to: number
  deployment: string
  version: number
  spec: string
  /** Absent where only the sums of all are left. */
  source?: Source | undefined
  side: Side
  feature: ProfileFeature
  cell: number
  name: string
  count: number
}

export const profileTable: Table<ProfileCell> = {
  about: 'Rows that hosts counted, by hour and cell of the profile, beside those of the baseline.',
  columns: [
    { name: 'endpoint', type: 'STRING', about: 'Endpoint.', of: (row) => row.endpoint },
    { name: 'from', type: 'TIMESTAMP', about: 'Start of the span, UTC.', of: (row) => new Date(row.from) },
    {
      name: 'to',
      type: 'TIMESTAMP',
      about: 'Its end: an hour later, or a day where hours are no longer kept.',
      of: (row) => new Date(row.to),
    },
    { name: 'deployment', type: 'STRING', about: 'Deployment.', of: (row) => row.deployment },
    { name: 'version', type: 'INT32', about: 'Version of the model.', of: (row) => row.version },
    { name: 'spec', type: 'STRING', about: 'Digest of the ProfileSpec that has the cells.', of: (row) => row.spec },
    {
      name: 'variant',
      type: 'STRING',
      nullable: true,
      about: 'Variant of the network; null where only the sum of all is kept.',
      of: (row) => row.source?.variant,
    },
    {
      name: 'provider',
      type: 'STRING',
      nullable: true,
      about: 'Execution provider; null as variant.',
      of: (row) => row.source?.provider,
    },
    {
      name: 'device',
      type: 'STRING',
      nullable: true,
      about: 'Class of the device; null as variant.',
      of: (row) => row.source?.device,
    },
    {
      name: 'side',
      type: 'STRING',
      about: 'feature or output.',
      of: (row) => (row.side === 'counts' ? 'feature' : 'output'),
    },
    { name: 'name', type: 'STRING', about: 'Name of the feature or output.', of: (row) => row.feature.name },
    { name: 'cell', type: 'INT32', about: 'Place of the cell in the profile, from 0.', of: (row) => row.cell },
    { name: 'cell_name', type: 'STRING', about: 'What the cell holds, in words.', of: (row) => row.name },
    {
      name: 'low',
      type: 'DOUBLE',
      nullable: true,
      about: 'Least value of the cell, included; null where there is none.',
      of: ({ feature, cell }) => boundsOf(feature, cell).low,
    },
    {
      name: 'high',
      type: 'DOUBLE',
      nullable: true,
      about: 'Its end, excluded, but for a cell of one value; null where there is none.',
      of: ({ feature, cell }) => boundsOf(feature, cell).high,
    },
    { name: 'count', type: 'INT64', about: 'Rows in the span.', of: (row) => BigInt(row.count) },
    {
      name: 'baseline_count',
      type: 'INT64',
      about: 'Rows of the baseline.',
      of: ({ feature, cell }) => BigInt(feature.counts[cell] ?? 0),
    },
  ],
}

/** @param span - ms since 1970: from, included, to, excluded */
export async function* profileRows(
  store: Store,
  endpoint: string,
  span: { from: number; to: number },
  now: number,
): AsyncGenerator<ProfileCell> {
  const first = dayOf(span.from)
  const last = dayOf(span.to - 1)
  for (const { deployment, version, spec } of await store.endpoints.served(endpoint)) {
    if (spec === undefined) continue
    const counted = { deployment, version, spec: spec.digest }
    for (const { day, sources } of await store.days.known(endpoint, counted, first, last)) {
      yield* foldedCells(store, { endpoint, counted, day, sources, spec: spec.spec }, span, now)
      await othersTurn()
    }
  }
  const specs = await specsOf(store, endpoint)
  for (const day of await store.days.openOf(endpoint, first, last)) {
    const start = Date.parse(day)
    yield* openCells(store, endpoint, { from: Math.max(span.from, start), to: Math.min(span.to, start + dayMs) }, specs)
  }
}

async function* openCells(
  store: Store,
  endpoint: string,
  { from, to }: { from: number; to: number },
  specs: ReadonlyMap<string, ProfileSpec>,
): AsyncGenerator<ProfileCell> {
  const minutes = { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
  let hour: Hour | undefined
  for (const minute of await store.exports.minutes(endpoint, minutes)) {
    const ms = Date.parse(minute)
    const start = ms - (ms % hourMs)
    if (hour !== undefined && hour.from !== start) yield* cellsOf(endpoint, hour, specs)
    if (hour?.from !== start) hour = { from: start, sums: new Map() }
    for (const profile of await store.exports.profiles(endpoint, minute)) add(hour.sums, profile)
    await othersTurn()
  }
  if (hour !== undefined) yield* cellsOf(endpoint, hour, specs)
}

interface Hour {
  from: number
  sums: Map<string, ReportedProfile>
}

function add(sums: Hour['sums'], profile: ReportedProfile): void {
  const { counts, outputs, ...source } = profile
  const key = JSON.stringify(source)
  const held = sums.get(key)
  if (held === undefined) return void sums.set(key, profile)
  addInto(held.counts, counts)
  addInto(held.outputs, outputs)
}

function addInto(into: Record<string, number[]>, cells: Readonly<Record<string, number[]>>): void {
  for (const [name, counts] of Object.entries(cells)) {
    const held = into[name]
    if (held === undefined) into[name] = counts
    else for (const [i, count] of counts.entries()) held[i] = (held[i] ?? 0) + count
  }
}

async function specsOf(store: Store, endpoint: string): Promise<Map<string, ProfileSpec>> {
  const served = await store.endpoints.served(endpoint)
  return new Map(served.flatMap(({ spec }) => (spec === undefined ? [] : [[spec.digest, spec.spec] as const])))
}

function* cellsOf(endpoint: string, { from, sums }: Hour, specs: ReadonlyMap<string, ProfileSpec>) {
  for (const { deployment, version, spec, variant, provider, device, counts, outputs } of sums.values()) {
    const document = specs.get(spec)
    if (document === undefined) continue
    const span = { endpoint, from, to: from + hourMs, deployment, version, spec }
    const told = { ...span, source: { variant, provider, device } }
    for (const feature of document.features) yield* cells({ ...told, side: 'counts', feature }, counts[feature.name])
    for (const feature of document.outputs) yield* cells({ ...told, side: 'outputs', feature }, outputs[feature.name])
  }
}

function* cells(
  about: Omit<ProfileCell, 'cell' | 'name' | 'count'>,
  counts: readonly number[] = [],
): Generator<ProfileCell> {
  for (const [cell, name] of namesOf(about.feature).entries()) yield { ...about, cell, name, count: counts[cell] ?? 0 }
}

interface FoldedDay {
  endpoint: string
  counted: Counted
  day: string
  sources: readonly Source[]
  spec: ProfileSpec
}

async function* foldedCells(
  store: Store,
  { endpoint, counted, day, sources, spec }: FoldedDay,
  { from, to }: { from: number; to: number },
  now: number,
): AsyncGenerator<ProfileCell> {
  const hasHours = Date.parse(day) >= now - keptHoursMs
  const [by, length] = hasHours ? (['hours', hourMs] as const) : (['whole', dayMs] as const)
  for (const source of sources.length > 0 ? sources : [undefined]) {
    for (const { side, feature } of partsOf(spec)) {
      // Of a day with one source the sums of all are its own.
      const asked = { side, feature: feature.name, source: sources.length > 1 ? source : together, by, days: [day] }
      for (const { at, cells: counts } of await store.days.spans(endpoint, counted, asked)) {
        if (at < from || at >= to) continue
        yield* cells({ endpoint, ...counted, from: at, to: at + length, source, side, feature }, counts)
      }
    }
  }
}

const knownNames = new WeakMap<ProfileFeature, string[]>()

// A feature's cells are named once an hour and source.
function namesOf(feature: ProfileFeature): string[] {
  const names = knownNames.get(feature) ?? cellNames(feature)
  knownNames.set(feature, names)
  return names
}

function boundsOf(feature: ProfileFeature, cell: number): { low?: number | undefined; high?: number | undefined } {
  if (feature.kind === 'categorical') return {}
  const { edges, points } = feature
  if (cell <= edges.length) return { low: edges[cell - 1], high: edges[cell] }
  const point = points[cell - edges.length - 1]
  return { low: point, high: point }
}
