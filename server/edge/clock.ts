/** Clock: whether time passes while this isolate computes, without which no latency can be measured. */
import type { TelemetryReport } from '../../runtime/contract/telemetry.ts'
import type { ScoredAnswer } from '../scoring.ts'

export interface Clock {
  /** Whether `performance.now()` moves during work; Cloudflare stops it against timing attacks (Spectre). */
  readonly runs: boolean
}

// Some milliseconds of work.
const mostLooks = 1_000_000

/** Looks once, for at most some milliseconds. */
export function openClock(now: () => number = () => performance.now()): Clock {
  const start = now()
  for (let look = 0; look < mostLooks; look++) if (now() !== start) return { runs: true }
  return { runs: false }
}

/** The answer as it is where a clock ran; without its times, for the caller and for metrics, where it stood: absent is not 0. */
export function withTiming(answer: ScoredAnswer, { runs }: Clock): ScoredAnswer {
  if (runs) return answer
  const { status, body } = answer
  const { 'server-timing': _, ...headers } = answer.headers
  return { status, headers, body }
}

/** The report as it is where a clock ran; with empty histograms where it stood: no latency was observed. */
export function withLatency(report: TelemetryReport, { runs }: Clock): TelemetryReport {
  if (runs) return report
  const none = ({ latency }: { latency: readonly number[] }) => latency.map(() => 0)
  const profiles = report.profiles.map(({ pinned, ...profile }) => ({
    ...profile,
    latency: none(profile),
    ...(pinned && { pinned: { ...pinned, latency: none(pinned) } }),
  }))
  const shadows = report.shadows?.map((shadow) => ({ ...shadow, latency: none(shadow) }))
  return { ...report, profiles, ...(shadows && { shadows }) }
}
