/** Rows of reports as the sums that evidence needs, without windows. */
import type { FeatureDrift } from '../../runtime/contract/monitor.ts'
import type { ProfileFeature } from '../../runtime/contract/profile-spec.ts'
import type { Counted } from '../../runtime/drift/attribution.ts'
import { type ExactSums, openClusters } from '../../runtime/drift/clusters.ts'
import { openTrack } from '../../runtime/drift/evidence.ts'
import { openScores } from '../../runtime/drift/scores.ts'
import type { SenderCounts } from '../store/days.ts'
import { dayFacts, openFeatureCounter, openPlacing, senderDays } from '../telemetry/day.ts'

const dayMs = 24 * 3600_000

/** Clusters of a part, day by day as monitors count them. */
export function sumsOf(
  profile: ProfileFeature,
  side: 'features' | 'outputs',
  rows: readonly SenderCounts[],
): ExactSums {
  const scores = openScores(profile)
  const clusters = openClusters(scores.size)
  for (const day of Map.groupBy(rows, ({ window }) => window.slice(0, 10)).values()) {
    const facts = dayFacts(senderDays(day))
    const placing = openPlacing(facts, dayMs)
    const counter = openFeatureCounter(side === 'features' ? 'counts' : 'outputs', profile, facts)
    for (const row of day) {
      const placed = placing.place(row)
      if (placed !== undefined) counter.add(placed)
    }
    for (const span of counter.spans()) clusters.addSums({ ...span, counts: scores.merge(span.cells) })
  }
  return clusters.exact()
}

/** In the directions of a part, with its baseline. */
export function measureSums(
  { profile, baseline }: Pick<FeatureDrift, 'profile' | 'baseline'>,
  sums: readonly ExactSums[],
): Counted {
  const scores = openScores(profile, 'drift', baseline)
  const clusters = openClusters(scores.size)
  for (const each of sums) clusters.addSums(each)
  const track = openTrack(scores)
  track.push(clusters.sums())
  return { measures: track.measure(0, 1, 0), clusters: track.clusters(0, 1, 0) }
}
