/** What hosts counted since a step began, page by page from the store, and what the guards say to it. */
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { ProfileFeature } from '../../runtime/contract/profile-spec.ts'
import type { RolloutEvidence } from '../../runtime/contract/rollout.ts'
import { latencyEdgesMs } from '../../runtime/contract/telemetry.ts'
import { addCluster, meanOf, openArm, spreadOf } from '../../runtime/rollout/arms.ts'
import { type Cluster, judgeGuards, levelOf, type Observed, type Outcome } from '../../runtime/rollout/guards.ts'
import type { Traffic } from '../../runtime/rollout/steps.ts'
import { openValue, type Value } from '../../runtime/rollout/value.ts'
import { sharesOf } from '../endpoints/rules.ts'
import type { CountedRow, OutcomePlace, RolloutRecord, Since } from '../store/rollouts.ts'
import type { EndpointState, Store } from '../store/store.ts'

const pageRows = 1000
/** The first of a step are read, of hosts and minutes: memory is bounded, and what so many do not decide, more do not. */
const mostPages = 500
const minuteMs = 60_000
const mostClockErrorMs = 60 * minuteMs
const parityCodes = ['PARITY_FAILED', 'GOLDEN_MISMATCH']

/** @param now - ms since 1970 */
export async function readEvidence(
  store: Store,
  rollout: RolloutRecord,
  state: EndpointState,
  now: number,
): Promise<RolloutEvidence> {
  const { deployment, endpoint, guards } = rollout
  // Hosts count in whole minutes, and those of the one in which the step began knew the split before it.
  const since = new Date(Math.ceil(Date.parse(rollout.stepStartedAt) / minuteMs) * minuteMs).toISOString()
  // A unit says which split assigned it, whatever its host's clock says.
  const earliest = new Date(Date.parse(rollout.stepStartedAt) - mostClockErrorMs).toISOString()
  const ofStep: Since = { since: earliest, revision: rollout.revision }
  const shares = sharesOf(state)
  const sides = await readSides(store, endpoint, { since, revision: rollout.revision })
  const blue = [...sides.values()].filter(({ name }) => name !== deployment && shares.has(name))
  const green = sides.get(deployment)
  const outputs = guards.some(({ metric }) => metric === 'drift')
    ? await readOutputs(store, state, deployment)
    : undefined
  const names = guards.flatMap((guard) => (guard.metric === 'outcome' ? [guard.name] : []))
  // Each reads all units of the step at once.
  const outcomes = await readOutcomes(store, { endpoint, names, ofStep, deployment, shares })
  await othersTurn()
  const newUnits = await readNewUnits(store, endpoint, ofStep, shares)
  await othersTurn()
  const exposed = await store.rollouts.exposed(endpoint, ofStep)
  const observed: Observed = {
    green: { clusters: clustersOf(green, true), outputs: outputs?.green ?? [] },
    blue: {
      clusters: blue.flatMap((side) => clustersOf(side, side.name === outputs?.blueName)),
      outputs: outputs?.blue ?? [],
    },
    outcomes,
    newUnits,
  }
  return {
    at: new Date(now).toISOString(),
    since,
    units: unitsOf(green ? [green] : [], exposed[deployment] ?? 0),
    guards: judgeGuards(guards, observed, levelOf(rollout.alpha, guards, rollout.steps)),
  }
}

/** The last day of an endpoint, as the plan of a rollout needs to know it. */
export async function readTraffic(store: Store, endpoint: string, now: number): Promise<Traffic> {
  const since = new Date(now - 24 * 60 * minuteMs).toISOString()
  const sides = [...(await readSides(store, endpoint, { since, revision: 0 })).values()]
  const exposed = Object.values(await store.rollouts.exposed(endpoint, { since, revision: 0 })).reduce(
    (sum, units) => sum + units,
    0,
  )
  const unitsPerDay = unitsOf(sides, exposed)
  const arm = openArm()
  for (const { clusters } of sides) {
    for (const { answered, failed } of clusters.values()) addCluster(arm, answered + failed, failed)
  }
  const errorRate = meanOf(arm)
  const independent = arm.rows * errorRate * (1 - errorRate)
  const designEffect = independent > 0 ? Math.max(1, spreadOf(arm) / independent) : 1
  const rowsPerUnit = unitsPerDay > 0 ? Math.max(0.01, arm.rows / designEffect / unitsPerDay) : 1
  return { unitsPerDay, errorRate, rowsPerUnit }
}

/** Hosts of pages, or units that were told. Where servers told of none, each of their requests is one of its own. */
function unitsOf(sides: readonly OpenSide[], exposed: number): number {
  const pages = new Set(sides.flatMap((side) => [...side.pages])).size
  const requests = sides.reduce((sum, side) => sum + side.requests, 0)
  return exposed > 0 ? Math.max(pages, exposed) : pages + requests
}

export interface Outputs {
  green: readonly ProfileFeature[]
  blueName: string
  blue: readonly ProfileFeature[]
}

/** Outputs of a deployment and of the busiest other one, by their baselines; undefined where one has none. */
export async function readOutputs(
  store: Store,
  state: EndpointState,
  deployment: string,
): Promise<Outputs | undefined> {
  const others = [...sharesOf(state)].filter(([name]) => name !== deployment)
  const [busiest] = others.sort(([, a], [, b]) => b - a)
  if (busiest === undefined) return undefined
  const served = await store.endpoints.served(state.name)
  const outputsOf = (name: string) => {
    const held = state.deployments.find((each) => each.name === name)
    const found = served.find((each) => each.deployment === name && each.version === held?.version)
    return found?.spec?.spec.outputs
  }
  const [green, blue] = [outputsOf(deployment), outputsOf(busiest[0])]
  return green && blue && { green, blueName: busiest[0], blue }
}

interface OpenCluster extends Cluster {
  answered: number
  failed: number
  hasParityFailure: boolean
  latency: number[]
  outputs: Record<string, number[]>
}

interface OpenSide {
  name: string
  /** Each a whole host of a page, or a minute of a server, which scores for many units and tells none apart here. */
  clusters: Map<string, OpenCluster>
  /** Hosts of pages: each is a unit. */
  pages: Set<string>
  /** Of servers and isolates. */
  requests: number
}

async function readSides(store: Store, endpoint: string, from: Since): Promise<Map<string, OpenSide>> {
  const sides = new Map<string, OpenSide>()
  let after: CountedRow | undefined
  for (let pages = 0; pages < mostPages; pages++) {
    const rows = await store.rollouts.counted(endpoint, { ...from, after, limit: pageRows })
    for (const row of rows) addRow(sides, row)
    if (rows.length < pageRows) break
    after = rows.at(-1)
    await othersTurn()
  }
  return sides
}

function addRow(sides: Map<string, OpenSide>, counted: CountedRow): void {
  const row = withoutPinned(counted)
  if (row === undefined) return
  const side = sides.get(row.deployment) ?? { name: row.deployment, clusters: new Map(), pages: new Set(), requests: 0 }
  sides.set(row.deployment, side)
  const isPage = row.device === 'desktop' || row.device === 'mobile'
  if (isPage) side.pages.add(row.sender)
  const key = isPage ? `${row.sender} ${row.provider}` : `${row.sender} ${row.provider} ${row.window}`
  const cluster = side.clusters.get(key) ?? openCluster(row.provider)
  side.clusters.set(key, cluster)
  addCells(cluster.latency, row.latency)
  // Where a host's clock stands still no latency is told, and a request counts as its rows.
  const answered = sum(row.latency) || row.rows
  cluster.answered += answered
  if (!isPage) side.requests += answered
  for (const [code, count] of Object.entries(row.errors)) {
    if (parityCodes.includes(code)) cluster.hasParityFailure ||= count > 0
    else cluster.failed += count
  }
  for (const [name, cells] of Object.entries(row.outputs)) {
    cluster.outputs[name] ??= new Array<number>(cells.length).fill(0)
    addCells(cluster.outputs[name], cells)
  }
}

/** What the split had no say in, nobody was dealt; undefined where nothing else was counted. */
function withoutPinned(row: CountedRow): CountedRow | undefined {
  const { pinned } = row
  if (pinned === undefined) return row
  const less = (cells: readonly number[], by: readonly number[] = []) => cells.map((count, i) => count - (by[i] ?? 0))
  const latency = less(row.latency, pinned.latency)
  const errors = Object.entries(row.errors).map(([code, count]) => [code, count - (pinned.errors[code] ?? 0)] as const)
  const rows = row.rows - pinned.rows
  if (rows === 0 && sum(latency) === 0 && errors.every(([, count]) => count === 0)) return undefined
  const outputs = Object.entries(row.outputs).map(([name, cells]) => [name, less(cells, pinned.outputs[name])] as const)
  return { ...row, rows, latency, errors: Object.fromEntries(errors), outputs: Object.fromEntries(outputs) }
}

function openCluster(provider: string): OpenCluster {
  const latency = new Array<number>(latencyEdgesMs.length + 1).fill(0)
  return { provider, answered: 0, failed: 0, hasParityFailure: false, latency, outputs: {} }
}

function clustersOf(side: OpenSide | undefined, hasOutputs: boolean): Cluster[] {
  const all = [...(side?.clusters.values() ?? [])]
  return hasOutputs ? all : all.map((cluster) => ({ ...cluster, outputs: {} }))
}

interface OutcomeQuery {
  endpoint: string
  names: readonly string[]
  ofStep: Since
  deployment: string
  shares: ReadonlyMap<string, number>
}

/**
 * Of all units that came in the step, as an experiment counts them: for the deployment to which each came first, what was told
 * of it from then on, and 0 of whom nothing was told.
 */
async function readOutcomes(store: Store, query: OutcomeQuery): Promise<Record<string, Outcome>> {
  const { endpoint, names, ofStep, deployment, shares } = query
  if (names.length === 0) return {}
  const found = (await store.rollouts.units(endpoint, ofStep)).filter((unit) => shares.has(unit.deployment))
  const units = new Map(found.map(({ unit, ...came }) => [unit, { ...came, values: new Map<string, Value>() }]))
  let after: OutcomePlace | undefined
  for (let pages = 0; pages < mostPages; pages++) {
    const page = await store.rollouts.outcomes(endpoint, { names, since: ofStep.since, after, limit: pageRows })
    for (const { unit, at, name, value } of page.told) {
      const came = units.get(unit)
      if (came === undefined || at < came.at) continue
      const held = came.values.get(name) ?? openValue()
      came.values.set(name, held)
      held.add(value)
    }
    after = page.next
    if (after === undefined) break
    await othersTurn()
  }
  // Of who came later nothing was read, and that is no 0.
  const read = [...units.values()].filter(({ at }) => after === undefined || at <= after.at)
  const sideOf = (isGreen: boolean) => read.filter((unit) => (unit.deployment === deployment) === isGreen)
  const [green, blue] = [sideOf(true), sideOf(false)]
  return Object.fromEntries(
    names.map((name) => {
      const valuesOf = (side: typeof read) => side.map(({ values }) => values.get(name))
      return [name, toOutcome(valuesOf(green), valuesOf(blue))]
    }),
  )
}

type MaybeTold = readonly (Value | undefined)[]

/** A rate where truth values are told of most, then of all others false; nothing where nothing was told of anyone. */
function toOutcome(green: MaybeTold, blue: MaybeTold): Outcome {
  const told = [...green, ...blue].filter((value) => value !== undefined)
  const isRate = 2 * told.filter(({ isTruth }) => isTruth).length >= told.length
  if (told.length === 0) return { isRate, green: [], blue: [] }
  const countOf = (value: Value | undefined) => (isRate && !value?.isTruth ? 0 : (value?.read() ?? 0))
  return { isRate, green: green.map(countOf), blue: blue.map(countOf) }
}

async function readNewUnits(
  store: Store,
  endpoint: string,
  since: Since,
  shares: ReadonlyMap<string, number>,
): Promise<Observed['newUnits']> {
  const units = await store.rollouts.newUnits(endpoint, since)
  return Object.fromEntries(
    [...shares].map(([name, ppm]) => [name, { units: units[name] ?? 0, share: ppm / 1_000_000 }] as const),
  )
}

function addCells(to: number[], from: readonly number[]): void {
  for (let i = 0; i < from.length; i++) to[i] = (to[i] ?? 0) + (from[i] ?? 0)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
