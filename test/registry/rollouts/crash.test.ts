/** Crashes and partitions of what moves a rollout. The whole of F-03 is in `npm run proof`. */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lookOnce } from '../../../registry/rollouts/watch.ts'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'
import type { Store } from '../../../registry/store/store.ts'
import { inFolder, openSpares } from '../crash/crash.ts'
import type { KillPoint } from '../crash/steps.ts'
import { actionsOf, countRolloutSteps, crashRollout, openTemplate, resume, standStill, whole } from './crash.ts'

test('F-03 hosts read the old split or the new one around a registry that is killed at any step of a rollout', {
  timeout: 300_000,
}, async () => {
  await using template = await openTemplate()
  using spares = openSpares()
  const { first, last } = await countRolloutSteps(template.dataDir, spares.take())
  expect(last - first).toBeGreaterThan(15)
  const points = fc.sample(
    fc.record<KillPoint>({ step: fc.integer({ min: first, max: last }), when: fc.constantFrom('before', 'after') }),
    { numRuns: 8, seed: 3 },
  )
  let reads = 0
  for (const kill of points) {
    reads += await crashRollout(template.dataDir, spares.take(), kill).catch((cause: unknown) => {
      throw new Error(`killed ${kill.when} step ${kill.step} of ${first} to ${last}`, { cause })
    })
  }
  expect(reads).toBeGreaterThan(200)
})

describe('two registries on one database', () => {
  test('do not both move a rollout, though both decided to', async () => {
    await using template = await openTemplate()
    await inFolder(async (folder) => {
      cpSync(template.dataDir, folder, { recursive: true })
      resume(folder)
      const [slow, quick] = [1, 2].map(() => openSqliteStore(join(folder, 'registry.db'))) as [Store, Store]
      try {
        for (const at of [60_000, 120_000]) {
          const options = { changed: () => undefined, now: () => Date.now() + at, log: () => undefined }
          const [rollout] = await slow.rollouts.underWay()
          if (rollout === undefined) throw new Error('it is over')
          // The slow one has decided before the quick one writes, and writes after it.
          const change: Store['rollouts']['change'] = async (...args) => {
            expect(await lookOnce({ ...options, store: quick }, rollout)).toBeUndefined()
            const changed = await slow.rollouts.change(...args)
            expect(changed).toBeUndefined()
            return changed
          }
          await lookOnce({ ...options, store: { ...slow, rollouts: { ...slow.rollouts, change } } }, rollout)
        }
        expect(await actionsOf(quick)).toEqual(whole)
        expect((await quick.rollouts.rollout('e', '1'))?.state).toBe('completed')
      } finally {
        await slow.close()
        await quick.close()
      }
    })
  })

  test('F-07 of which one stands still for a while leave one history without a gap', { timeout: 60_000 }, async () => {
    await using template = await openTemplate()
    await standStill(template.dataDir, 3000)
  })
})
