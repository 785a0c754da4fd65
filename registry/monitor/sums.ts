/** Spans as the sums that evidence needs, without windows. */
import type { FeatureDrift } from '../../runtime/contract/monitor.ts'
import type { Counted } from '../../runtime/drift/attribution.ts'
import { openClusters } from '../../runtime/drift/clusters.ts'
import { openTrack } from '../../runtime/drift/evidence.ts'
import { openScores } from '../../runtime/drift/scores.ts'
import type { Span } from '../store/days.ts'

/** In the directions of a part, with its baseline. */
export function measureSpans(
  { profile, baseline }: Pick<FeatureDrift, 'profile' | 'baseline'>,
  spans: readonly Span[],
  signal: 'drift' | 'quality' = 'drift',
): Counted {
  const scores = openScores(profile, signal, baseline)
  const clusters = openClusters(scores.size)
  for (const span of spans) clusters.addSums({ ...span, counts: scores.merge(span.cells) })
  const track = openTrack(scores)
  track.push(clusters.sums())
  return { measures: track.measure(0, 1, 0), clusters: track.clusters(0, 1, 0) }
}

/** Cell by cell. */
export function cellsOf(spans: readonly Pick<Span, 'cells'>[], size: number): number[] {
  const total = new Array<number>(size).fill(0)
  for (const { cells } of spans) {
    for (let i = 0; i < size; i++) total[i] = (total[i] ?? 0) + (cells[i] ?? 0)
  }
  return total
}
