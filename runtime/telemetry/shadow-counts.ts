/** Counts of one version that shadows another, in one window. */
import { differenceEdges, latencyEdgesMs, type ShadowReport } from '../contract/telemetry.ts'
import type { ErrorCode } from '../errors.ts'
import type { Divergence } from './divergence.ts'

export interface ShadowCounts {
  compared(rows: readonly Divergence[], latencyMs: number): void
  skipped(): void
  failed(code: ErrorCode): void
  read(): ShadowReport
}

const mostDifference = 1000

export function openShadowCounts(
  { deployment, version, variant, provider }: Pick<ShadowReport, 'deployment' | 'version' | 'variant' | 'provider'>,
  against: ShadowReport['against'],
): ShadowCounts {
  const counts: ShadowReport = {
    deployment,
    version,
    variant,
    provider,
    against,
    rows: 0,
    flips: 0,
    differences: new Array(differenceEdges.length + 1).fill(0),
    differenceMillionths: 0,
    skipped: 0,
    latency: new Array(latencyEdgesMs.length + 1).fill(0),
    errors: {},
  }

  return {
    compared(rows, latencyMs) {
      for (const { flipped, difference } of rows) {
        counts.rows++
        if (flipped) counts.flips++
        addTo(counts.differences, differenceEdges, difference)
        if (!Number.isNaN(difference)) {
          counts.differenceMillionths += Math.round(Math.min(difference, mostDifference) * 1_000_000)
        }
      }
      addTo(counts.latency, latencyEdgesMs, latencyMs)
    },
    skipped() {
      counts.skipped++
    },
    failed(code) {
      counts.errors[code] = (counts.errors[code] ?? 0) + 1
    },
    read: () => ({
      ...counts,
      differences: [...counts.differences],
      latency: [...counts.latency],
      errors: { ...counts.errors },
    }),
  }
}

function addTo(cells: number[], edges: readonly number[], value: number): void {
  const place = edges.findIndex((edge) => value < edge)
  const cell = place < 0 ? edges.length : place
  cells[cell] = (cells[cell] ?? 0) + 1
}
