import { describe, expect, test } from 'vitest'
import { latencyEdgesMs, type TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { openClock, withLatency, withTiming } from '../../../server/edge/clock.ts'

const answer = {
  status: 200,
  headers: { 'content-type': 'application/json', 'server-timing': 'queue;dur=0.000, compute;dur=0.000' },
  body: new Uint8Array(0),
  by: {
    deployment: 'blue',
    version: 1,
    variant: 'fp32',
    provider: 'wasm' as const,
    why: 'wasm',
    queueMs: 0,
    computeMs: 0,
    batch: { requests: 1, rows: 1, ownRows: 1 },
  },
}
const latency = [3, ...latencyEdgesMs.map(() => 0)]
const report: TelemetryReport = {
  sender: 'AAAAAAAAAAAAAAAAAAAAAA',
  seq: 1,
  window: '2026-11-24T10:00:00.000Z',
  endpoint: 'e',
  revision: 1,
  profiles: [
    {
      deployment: 'blue',
      version: 1,
      variant: 'fp32',
      provider: 'wasm',
      device: 'edge',
      rows: 3,
      counts: {},
      outputs: {},
      latency,
      errors: {},
      pinned: { rows: 1, outputs: {}, latency: [1, ...latencyEdgesMs.map(() => 0)], errors: {} },
    },
  ],
  exposures: [],
  outcomes: [],
}

describe('a clock that moves during work', () => {
  let ms = 0
  const clock = openClock(() => ms++)

  test('runs', () => expect(clock.runs).toBe(true))

  test('leaves timing and latency as they are', () => {
    expect(withTiming(answer, clock)).toEqual(answer)
    expect(withLatency(report, clock)).toEqual(report)
  })
})

describe('a clock that stands still during work', () => {
  const clock = openClock(() => 7)

  test('does not run', () => expect(clock.runs).toBe(false))

  test('has no timing in an answer, for the caller or for metrics, and the rest of it', () => {
    const { status, body } = answer
    expect(withTiming(answer, clock)).toEqual({ status, body, headers: { 'content-type': 'application/json' } })
  })

  test('has no observation in the histogram of a report, and the rest of it', () => {
    const [profile] = report.profiles
    expect(withLatency(report, clock)).toEqual({
      ...report,
      profiles: [
        {
          ...profile,
          latency: new Array(33).fill(0),
          pinned: { rows: 1, outputs: {}, latency: new Array(33).fill(0), errors: {} },
        },
      ],
    })
    expect(latency[0]).toBe(3)
  })
})
