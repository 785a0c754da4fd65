/** What was counted of each version, in the shape of Triton's statistics extension. Times are in nanoseconds. */
import { limits } from '../../runtime/limits.ts'
import type { Codec } from '../scoring.ts'
import type { Observed } from './metrics.ts'

/** How often, and for how long in all. */
interface Duration {
  count: number
  ns: number
}

export interface ModelStatistics {
  name: string
  version: string
  /** Milliseconds since 1970; 0 before the first. */
  last_inference: number
  /** Rows. */
  inference_count: number
  /** Runs. */
  execution_count: number
  inference_stats: Record<(typeof durations)[number], Duration>
  /** Not of a larger run of one request than `limits.batchRows`: its sender may choose any size. */
  batch_stats: { batch_size: number; compute_input: Duration; compute_infer: Duration; compute_output: Duration }[]
}

const durations = [
  'success',
  'fail',
  'queue',
  'compute_input',
  'compute_infer',
  'compute_output',
  'cache_hit',
  'cache_miss',
] as const

export interface Statistics {
  observe(request: Observed & { codec?: Codec | undefined }): void
  /** @param served - versions, which are listed though nothing asked them yet, beside those that answered before */
  of(endpoint: string, served: readonly number[]): ModelStatistics[]
}

export function openStatistics(now: () => number = Date.now): Statistics {
  const byVersion = new Map<string, ModelStatistics>()
  /** Requests that no version answered, by endpoint: the version that answered last bears them. */
  const last = new Map<string, ModelStatistics>()

  function entry(endpoint: string, version: number): ModelStatistics {
    const key = `${endpoint} ${version}`
    let found = byVersion.get(key)
    if (found === undefined) {
      found = openEntry(endpoint, version)
      byVersion.set(key, found)
    }
    return found
  }

  return {
    observe({ endpoint, ms, by, codec = { decodeMs: 0, encodeMs: 0 } }) {
      if (by === undefined) {
        const bearer = last.get(endpoint)
        if (bearer !== undefined) add(bearer.inference_stats.fail, ms)
        return
      }
      const { rows, requests, ownRows } = by.batch
      const found = entry(endpoint, by.version)
      last.set(endpoint, found)
      found.last_inference = now()
      found.inference_count += ownRows
      // Of a run that several shared, each counts its part.
      const part = 1 / requests
      found.execution_count += part
      const { success, queue, compute_input, compute_infer, compute_output } = found.inference_stats
      add(success, ms)
      add(queue, by.queueMs)
      add(compute_input, codec.decodeMs)
      add(compute_infer, by.computeMs)
      add(compute_output, codec.encodeMs)
      if (requests === 1 && rows > limits.batchRows) return
      let batch = found.batch_stats.find(({ batch_size }) => batch_size === rows)
      if (batch === undefined) {
        const zero = () => ({ count: 0, ns: 0 })
        batch = { batch_size: rows, compute_input: zero(), compute_infer: zero(), compute_output: zero() }
        found.batch_stats.push(batch)
      }
      add(batch.compute_input, codec.decodeMs, part)
      add(batch.compute_infer, by.computeMs * part, part)
      add(batch.compute_output, codec.encodeMs, part)
    },
    of(endpoint, served) {
      for (const version of served) entry(endpoint, version)
      const found = [...byVersion.values()].filter(({ name }) => name === endpoint)
      return found.map(rounded).sort((a, b) => Number(a.version) - Number(b.version))
    },
  }
}

function openEntry(name: string, version: number): ModelStatistics {
  const stats = Object.fromEntries(durations.map((each) => [each, { count: 0, ns: 0 }]))
  return {
    name,
    version: String(version),
    last_inference: 0,
    inference_count: 0,
    execution_count: 0,
    inference_stats: stats as ModelStatistics['inference_stats'],
    batch_stats: [],
  }
}

function add(to: Duration, ms: number, count = 1): void {
  to.count += count
  to.ns += ms * 1e6
}

// Parts of runs add up to whole ones but for the last bits.
function rounded(found: ModelStatistics): ModelStatistics {
  const round = ({ count, ns }: Duration): Duration => ({ count: Math.round(count), ns: Math.round(ns) })
  const stats = Object.entries(found.inference_stats).map(([name, each]) => [name, round(each)])
  return {
    ...found,
    execution_count: Math.round(found.execution_count),
    inference_stats: Object.fromEntries(stats),
    batch_stats: found.batch_stats.map(({ batch_size, ...times }) => ({
      batch_size,
      compute_input: round(times.compute_input),
      compute_infer: round(times.compute_infer),
      compute_output: round(times.compute_output),
    })),
  }
}
