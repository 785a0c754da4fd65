/** Whether a report speaks of what its endpoint served, in the cells of the right spec, within the clock's window. */

import type { ProfileFeature, ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import type {
  PairCounts,
  PinnedCounts,
  ProfileReport,
  ShadowReport,
  TelemetryReport,
} from '../../runtime/contract/telemetry.ts'
import { triangle } from '../../runtime/drift/clusters.ts'
import { openScores } from '../../runtime/drift/scores.ts'
import { errorTable, SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { cellCount } from '../../runtime/telemetry/profile.ts'
import type { Tier } from '../store/days.ts'
import type { CheckedReport, Served } from '../store/store.ts'

/** Why a report is refused, as the metrics count it. */
export type RefusalReason =
  | 'rejected_time'
  | 'unknown_endpoint'
  | 'not_served'
  | 'wrong_spec'
  | 'wrong_cells'
  | 'too_many'
  | 'twice'
  | 'day_closed'
  | 'old_sequence'
  | 'quota'
  | 'busy_unit'

// More rows than any host scores in a minute; sums of nine million such counts are still exact.
const maxCount = 1_000_000_000

/**
 * The report with names that its spec does not have left out, and features that it did not count at 0.
 *
 * @throws {@link SelvedgeError} `TELEMETRY_REFUSED`
 */
export function checkReport(
  report: TelemetryReport,
  tier: Tier,
  served: readonly Served[],
  now: number,
): CheckedReport {
  const window = parseWindow(report.window, now)
  const keys = new Set<string>()
  const profiles = report.profiles.map((profile) => {
    const key = JSON.stringify([
      profile.deployment,
      profile.version,
      profile.variant,
      profile.provider,
      profile.device,
      profile.spec,
    ])
    if (keys.has(key))
      throw refuse('twice', `deployment ${profile.deployment} is reported twice for one variant and provider`)
    keys.add(key)
    return checkProfile(profile, tier, served)
  })
  for (const { deployment } of report.exposures) {
    if (!served.some((each) => each.deployment === deployment))
      throw refuse('not_served', `no deployment ${deployment} was served`)
  }
  return {
    ...report,
    window,
    profiles,
    ...(report.shadows && { shadows: checkShadows(report.shadows, served) }),
    exposures: report.exposures
      .filter(({ at }) => isWithin(at, now))
      .map((each) => ({ ...keepPrediction(each, served), at: utc(each.at) })),
    outcomes: report.outcomes.filter(({ at }) => isWithin(at, now)).map((each) => ({ ...each, at: utc(each.at) })),
    receivedAt: new Date(now).toISOString(),
    tier,
  }
}

function checkShadows(shadows: readonly ShadowReport[], served: readonly Served[]): ShadowReport[] {
  const keys = new Set<string>()
  for (const { deployment, version, variant, provider, against, ...counts } of shadows) {
    const key = JSON.stringify([deployment, version, variant, provider, against.deployment, against.version])
    if (keys.has(key)) throw refuse('twice', `the shadow ${deployment} is reported twice`)
    keys.add(key)
    for (const each of [{ deployment, version }, against]) {
      if (served.some((known) => known.deployment === each.deployment && known.version === each.version)) continue
      throw refuse('not_served', `version ${each.version} was never served by deployment ${each.deployment}`)
    }
    const compared = counts.differences.reduce((sum, count) => sum + count, 0)
    if (compared !== counts.rows || counts.flips > counts.rows) {
      throw refuse('wrong_cells', `the shadow ${deployment} compared ${counts.rows} rows, its cells hold ${compared}`)
    }
    const most = Math.max(counts.rows, counts.skipped, ...counts.latency, ...Object.values(counts.errors))
    if (most > maxCount || counts.differenceMillionths > maxCount * 1_000_000) {
      throw refuse('too_many', `the shadow ${deployment} counts more than any host does in a minute`)
    }
  }
  return [...shadows]
}

function parseWindow(window: string, now: number): string {
  const start = Date.parse(window)
  if (start % 60_000 !== 0) throw refuse('rejected_time', `window ${window} does not start on a whole minute`)
  if (!isWithin(window, now)) throw refuse('rejected_time', `window ${window} is too old or in the future`)
  return utc(window)
}

function isWithin(at: string, now: number): boolean {
  const time = Date.parse(at)
  return time >= now - limits.telemetryPastMs && time <= now + limits.telemetryFutureMs
}

// One spelling of a moment, since text is what is compared and counted once.
function utc(at: string): string {
  return new Date(at).toISOString()
}

// A prediction in cells that nothing was counted in says nothing; the exposure stands.
function keepPrediction<Told extends TelemetryReport['exposures'][number]>(
  { prediction, ...exposure }: Told,
  served: readonly Served[],
) {
  const isServed = served.some(
    ({ deployment, version, spec }) =>
      deployment === exposure.deployment &&
      version === prediction?.version &&
      spec !== undefined &&
      spec.digest === prediction.spec &&
      spec.spec.outputs.length === prediction.cells.length &&
      spec.spec.outputs.every((output, i) => (prediction.cells[i] ?? 0) < cellCount(output)),
  )
  return { ...exposure, ...(isServed && { prediction }) }
}

function checkProfile(profile: ProfileReport, tier: Tier, served: readonly Served[]): ProfileReport {
  const { deployment, version, variant, spec: digest } = profile
  const what = `deployment ${deployment}, version ${version}`
  const versions = served.filter((each) => each.deployment === deployment && each.version === version)
  if (versions.length === 0) throw refuse('not_served', `${what} was never served`)
  const source = versions.find((each) => each.spec?.digest === digest)
  if (source === undefined)
    throw refuse('wrong_spec', `${what} is not counted against the spec ${digest ?? 'that is missing'}`)
  if (!source.variants.includes(variant)) throw refuse('not_served', `${what} has no variant ${variant}`)
  checkSizes(profile, what)
  const spec = source.spec?.spec
  const { units, pinned, ...rest } = profile
  return {
    ...rest,
    // Pairs are taken at their word, which is that of a host whose operator is known.
    ...(units && spec && tier === 'trusted' && { units: keepPairs(units, spec, profile, what) }),
    counts: keepCells(profile.counts, spec, 'features', what),
    outputs: keepCells(profile.outputs, spec, 'outputs', what),
    errors: keepErrors(profile.errors),
    ...(pinned && { pinned: keepPinned(pinned, spec, profile, what) }),
  }
}

function checkSizes({ rows, counts, outputs, latency, errors }: ProfileReport, what: string): void {
  const vectors = [[rows], latency, Object.values(errors), ...Object.values(counts), ...Object.values(outputs)]
  if (vectors.some((vector) => vector.some((count) => count > maxCount))) {
    throw refuse('too_many', `${what} counts more than ${maxCount} in one window`)
  }
}

function keepCells(
  cells: Readonly<Record<string, number[]>>,
  spec: ProfileSpec | undefined,
  side: 'features' | 'outputs',
  what: string,
): Record<string, number[]> {
  if (spec === undefined) return {}
  return Object.fromEntries(spec[side].map((feature) => [feature.name, cellsOf(cells, feature, what)]))
}

function keepPinned(
  pinned: PinnedCounts,
  spec: ProfileSpec | undefined,
  all: ProfileReport,
  what: string,
): PinnedCounts {
  const outputs = keepCells(pinned.outputs, spec, 'outputs', what)
  const isPart = (part: readonly number[], whole: readonly number[] = []) =>
    part.every((count, i) => count <= (whole[i] ?? 0))
  const errors = Object.keys(pinned.errors).every((code) => (pinned.errors[code] ?? 0) <= (all.errors[code] ?? 0))
  const cells = Object.entries(outputs).every(([name, part]) => isPart(part, all.outputs[name]))
  if (errors && cells && pinned.rows <= all.rows && isPart(pinned.latency, all.latency)) {
    return { rows: pinned.rows, outputs, latency: pinned.latency, errors: keepErrors(pinned.errors) }
  }
  throw refuse('wrong_cells', `${what} counts more requests that were pinned than requests`)
}

function cellsOf(cells: Readonly<Record<string, number[]>>, feature: ProfileFeature, what: string): number[] {
  const want = cellCount(feature)
  const found = Object.hasOwn(cells, feature.name) ? cells[feature.name] : undefined
  if (found === undefined) return new Array<number>(want).fill(0)
  if (found.length === want) return found
  throw refuse('wrong_cells', `${what}, "${feature.name}": got ${found.length} cells, want ${want}`)
}

function keepPairs(units: PairCounts, spec: ProfileSpec, { rows }: ProfileReport, what: string): PairCounts {
  if (units.rows > rows || units.clusters > rows) {
    throw refuse(
      'wrong_cells',
      `${what}: ${units.rows} rows with a unit and ${units.clusters} new units, of ${rows} rows`,
    )
  }
  const keep = (side: 'counts' | 'outputs', features: readonly ProfileFeature[]) =>
    Object.fromEntries(features.map((feature) => [feature.name, pairsOf(units[side], feature, what)]))
  return { ...units, counts: keep('counts', spec.features), outputs: keep('outputs', spec.outputs) }
}

function pairsOf(pairs: Readonly<Record<string, number[]>>, feature: ProfileFeature, what: string): number[] {
  const found = Object.hasOwn(pairs, feature.name) ? (pairs[feature.name] ?? []) : []
  const want = pairCells(feature)
  if (found.length === 0 || found.length === want) return found
  throw refuse('wrong_cells', `${what}, "${feature.name}": got ${found.length} sums of pairs, want ${want}`)
}

// What every endpoint serves is remembered, and a report comes a minute from each host.
const knownPairCells = new WeakMap<ProfileFeature, number>()

function pairCells(feature: ProfileFeature): number {
  const known = knownPairCells.get(feature) ?? triangle(openScores(feature).size)
  knownPairCells.set(feature, known)
  return known
}

// Codes that nobody knows are one code, or a host could make up names without end.
function keepErrors(errors: Readonly<Record<string, number>>): Record<string, number> {
  const kept: Record<string, number> = {}
  for (const [code, count] of Object.entries(errors)) {
    const known = Object.hasOwn(errorTable, code) ? code : 'INTERNAL'
    kept[known] = (kept[known] ?? 0) + count
  }
  return kept
}

export function refuse(reason: RefusalReason, message: string): SelvedgeError {
  return new SelvedgeError('TELEMETRY_REFUSED', message, { reason })
}
