/** Experiments from what the store holds: each split by itself, then together, never pooled (design, section 10). */
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { Experiment } from '../../runtime/contract/experiment.ts'
import { combineEffects, type Effect, effectOf, intervalOf, type UnitSums } from '../../runtime/rollout/effects.ts'
import { type ExperimentSums, openExperiment, type Standing } from '../../runtime/rollout/experiment.ts'
import { combineRatios } from '../../runtime/rollout/sample-ratio.ts'
import { sharesOf } from '../endpoints/rules.ts'
import type { ExperimentUnit, SplitSpan } from '../store/experiments.ts'
import type { Store } from '../store/store.ts'

export interface ExperimentQuery {
  endpoint: string
  control: string
  treatment: string
  alpha: number
  /** RFC 3339. */
  from: string
  to: string
}

type Span = SplitSpan & { shares: ReadonlyMap<string, number> }

const sampleRatioAlpha = 0.001
const mostLooks = 48
const pageUnits = 250
/** Of some seconds. Hashes are in no order: the first are a random part of all. */
const mostUnits = 300_000
/** The newest: what a unit costs grows by the square of the splits in which it came. */
const mostSplits = 20
/** After so much work others have their turn. */
const turnMs = 20

type Experiments = Pick<Store, 'experiments'>

export async function readExperiment(store: Experiments, query: ExperimentQuery, outcome: string): Promise<Experiment> {
  const frame = await frameOf(store, query)
  const metric = openMetric(frame, outcome)
  const isPart = await addUnits(store, frame, [metric])
  return toExperiment(frame, metric, isPart)
}

/** One an outcome, all from one pass over the units. */
export async function readExperiments(
  store: Experiments,
  query: ExperimentQuery,
  outcomes: readonly string[],
): Promise<Experiment[]> {
  const frame = await frameOf(store, query)
  const metrics = outcomes.map((outcome) => openMetric(frame, outcome))
  const isPart = await addUnits(store, frame, metrics)
  return metrics.map((metric) => toExperiment(frame, metric, isPart))
}

interface Frame {
  query: ExperimentQuery
  /** Splits in which both had traffic: the newest, and how many there were before them. */
  spans: Span[]
  olderSplits: number
  /** Revisions of splits of several deployments, those before `from` among them. */
  mixed: ReadonlySet<number>
  /** ms since 1970; the last is the end. */
  looks: number[]
}

interface Metric {
  outcome: string
  sums: ExperimentSums
}

async function frameOf(store: Experiments, query: ExperimentQuery): Promise<Frame> {
  const { endpoint, control, treatment, from, to } = query
  const all = (await store.experiments.splits(endpoint, to)).map((span) => ({ ...span, shares: sharesOf(span) }))
  const shared = all
    .filter(({ shares, to: end }) => end > from && shares.has(control) && shares.has(treatment))
    .map((span) => ({ ...span, from: later(span.from, from) }))
  const spans = shared.slice(-mostSplits)
  return {
    query,
    spans,
    olderSplits: shared.length - spans.length,
    mixed: new Set(all.flatMap(({ revision, shares }) => (shares.size > 1 ? [revision] : []))),
    looks: looksOf(spans[0]?.from, to),
  }
}

function openMetric({ query, spans, mixed, looks }: Frame, outcome: string): Metric {
  const { control, treatment, from } = query
  const splits = spans.map(({ revision }) => revision)
  const isMixed = (revision: number) => mixed.has(revision)
  return { outcome, sums: openExperiment({ control, treatment, splits, isMixed, from: Date.parse(from), looks }) }
}

/** @returns whether some were left out */
async function addUnits(store: Experiments, { query, spans }: Frame, metrics: readonly Metric[]): Promise<boolean> {
  if (spans.length === 0) return false
  const outcomes = metrics.map(({ outcome }) => outcome)
  let after = ''
  let began = performance.now()
  for (let read = 0; read < mostUnits; read += pageUnits) {
    const page = { outcomes, to: query.to, after, limit: pageUnits }
    const units = await store.experiments.units(query.endpoint, page)
    for (const unit of units) {
      for (const { outcome, sums } of metrics) sums.add(historyOf(unit, outcome))
      if (performance.now() - began < turnMs) continue
      await othersTurn()
      began = performance.now()
    }
    const last = units.at(-1)
    if (last === undefined || units.length < pageUnits) return false
    after = last.unit
  }
  return true
}

function historyOf({ exposures, outcomes }: ExperimentUnit, outcome: string) {
  return {
    exposures: exposures.map(({ at, ...exposure }) => ({ ...exposure, at: Date.parse(at) })),
    outcomes: outcomes.flatMap(({ at, name, value }) => (name === outcome ? [{ at: Date.parse(at), value }] : [])),
  }
}

/** Of two moments in RFC 3339 and UTC. */
function later(a: string, b: string): string {
  return [a, b].toSorted()[1] ?? b
}

function looksOf(from: string | undefined, to: string): number[] {
  if (from === undefined) return []
  const [start, end] = [Date.parse(from), Date.parse(to)]
  const count = Math.max(1, Math.min(mostLooks, Math.floor((end - start) / 60_000)))
  return Array.from({ length: count }, (_, i) => Math.round(start + ((end - start) * (i + 1)) / count))
}

function toExperiment(
  { query, spans, olderSplits, looks: moments }: Frame,
  { outcome, sums }: Metric,
  isPart: boolean,
): Experiment {
  const standings = sums.read()
  const last = standings.at(-1)
  const looks = standings.map((standing, i) => lookOf(query.alpha, spans, standing, moments[i] ?? 0))
  const found = looks.at(-1)
  const logThreshold = Math.log(1 / sampleRatioAlpha)
  const logEvidence = found?.logEvidence ?? 0
  return {
    ...query,
    outcome,
    splits: spans.map((span, i) => splitOf(query, span, last, i)),
    olderSplits,
    ...(found?.effect && { effect: found.effect }),
    sampleRatio: { alarm: logEvidence >= logThreshold, logEvidence, logThreshold },
    isPart,
    looks,
  }
}

function lookOf(alpha: number, spans: readonly Span[], standing: Standing, at: number): Experiment['looks'][number] {
  const { revisions, overlaps, newUnits } = standing
  const sum = (side: 'control' | 'treatment') => revisions.reduce((units, arms) => units + arms[side].units, 0)
  const found = combineEffects(revisions, overlaps)
  return {
    at: new Date(at).toISOString(),
    units: { control: sum('control'), treatment: sum('treatment') },
    ...(found && { effect: intervalsOf(found, alpha) }),
    logEvidence: combineRatios(
      spans.map((span, i) => ratioOf(span, newUnits[i])),
      sampleRatioAlpha,
    ).logEvidence,
  }
}

function splitOf(
  { control, treatment, alpha }: ExperimentQuery,
  { revision, from, to, shares }: Span,
  standing: Standing | undefined,
  place: number,
): Experiment['splits'][number] {
  const arms = standing?.revisions[place]
  const told = standing?.told[place]
  const found = arms && effectOf(arms.control, arms.treatment)
  const newUnits = standing?.newUnits[place] ?? {}
  return {
    revision,
    from,
    to,
    shares: { control: shares.get(control) ?? 0, treatment: shares.get(treatment) ?? 0 },
    control: armOf(arms?.control, told?.control),
    treatment: armOf(arms?.treatment, told?.treatment),
    newUnits: Object.fromEntries([...shares.keys()].map((name) => [name, newUnits[name] ?? 0])),
    ...(found && { effect: intervalsOf(found, alpha) }),
  }
}

function armOf(sums: UnitSums | undefined, told = 0): Experiment['splits'][number]['control'] {
  if (sums === undefined || sums.units === 0) return { units: 0, told: 0 }
  return { units: sums.units, told, mean: sums.y / sums.units }
}

function intervalsOf({ absolute, relative }: Effect, alpha: number): NonNullable<Experiment['effect']> {
  return {
    absolute: { value: absolute.value, ...intervalOf(absolute, alpha) },
    ...(relative && { relative: { value: relative.value, ...intervalOf(relative, alpha) } }),
  }
}

/** The evidence of splits that follow each other is multiplied: each is 1 on average where the shares are true. */
function ratioOf({ shares }: Span, newUnits: Readonly<Record<string, number>> = {}) {
  return {
    units: [...shares.keys()].map((name) => newUnits[name] ?? 0),
    shares: [...shares.values()].map((ppm) => ppm / 1_000_000),
  }
}
