import { expect, test } from 'vitest'
import type { Progress } from '../../../registry/store/webhooks.ts'
import { afterFailure } from '../../../registry/webhooks/backoff.ts'

const began = Date.parse('2026-11-24T10:00:00Z')

test('WH-06 F-32 waits grow from a quarter of a second to an hour, until a day of failures is over', () => {
  const waits: number[] = []
  let progress: Progress = { cursor: 7, failures: 0, dueAt: 0 }
  let now = began
  while (progress.pausedAt === undefined) {
    progress = afterFailure(progress, now)
    waits.push(progress.dueAt - now)
    now = progress.dueAt
  }
  for (const [i, waitMs] of waits.entries()) {
    const mostMs = Math.min(3600_000, 250 * 2 ** i)
    expect(waitMs).toBeGreaterThanOrEqual(mostMs / 2)
    expect(waitMs).toBeLessThanOrEqual(mostMs + 1)
  }
  expect(progress).toMatchObject({ cursor: 7, failures: waits.length, failingSince: '2026-11-24T10:00:00.000Z' })
  const failedMs = Date.parse(progress.pausedAt) - began
  expect(failedMs).toBeGreaterThanOrEqual(24 * 3600_000)
  expect(failedMs).toBeLessThan(25 * 3600_000)
})

test('WH-06 few failures do not pause, however far apart', () => {
  const before = { cursor: 0, failures: 18, failingSince: new Date(began).toISOString(), dueAt: began }
  const later = began + 72 * 3600_000
  const after = afterFailure(before, later)
  expect(after.pausedAt).toBeUndefined()
  expect(afterFailure(after, later).pausedAt).toBeDefined()
})

test('WH-06 waits of many that failed at once differ', () => {
  const dues = Array.from({ length: 20 }, () => afterFailure({ cursor: 0, failures: 5, dueAt: 0 }, began).dueAt)
  expect(new Set(dues).size).toBeGreaterThan(1)
})
