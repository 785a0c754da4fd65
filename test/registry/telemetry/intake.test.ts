import { expect, test } from 'vitest'
import { openCounters } from '../../../registry/metrics/counters.ts'
import type { Store } from '../../../registry/store/store.ts'
import { openIntake } from '../../../registry/telemetry/intake.ts'
import { began, openFolding, reportOf } from './folding.ts'

test('a report that cannot be written does not take those of its moment with it', async () => {
  await using folding = await openFolding()
  const { telemetry } = folding.store
  // As a fault in the writing of one would be.
  const fold: typeof telemetry.fold = async (reports) => {
    if (reports.some(({ seq }) => seq === 666)) throw new Error('cannot be written')
    return await telemetry.fold(reports)
  }
  const store: Store = { ...folding.store, telemetry: { ...telemetry, fold } }
  const intake = openIntake(store, () => began, openCounters())
  const take = (sender: string, seq: number) => {
    const { receivedAt: _, tier: __, ...report } = reportOf({ sender, seq, window: began, cells: [1, 2] })
    return intake.take(report)
  }
  const taken = await Promise.allSettled([take('a', 1), take('b', 666), take('c', 1)])
  expect(taken.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  const sums = await telemetry.sums('e', new Date(began).toISOString())
  expect(sums.map(({ senders }) => senders)).toEqual([2])
})
