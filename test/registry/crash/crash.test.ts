/** Crashes: what a registry still knows after a SIGKILL at any of its durable steps. The whole is in `npm run proof`. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countSteps, crash, failStep, openSpares } from './crash.ts'
import type { KillPoint } from './steps.ts'

const kills = 50
const failures = 20

test('F-01, F-02 a registry that is killed at any step of upload, publish, alias and traffic loses nothing that it acknowledged', {
  timeout: 300_000,
}, async () => {
  using spares = openSpares()
  const steps = await countSteps(spares.take(), 1)
  expect(steps).toBeGreaterThan(100)
  const points = fc.sample(
    fc.record<KillPoint>({
      step: fc.integer({ min: 1, max: steps }),
      when: fc.constantFrom('before', 'half', 'after'),
    }),
    { numRuns: kills, seed: 11 },
  )
  for (const [i, kill] of points.entries()) {
    await crash(spares.take(), i, kill).catch((cause: unknown) => {
      throw new Error(`seed ${i}, killed ${kill.when} step ${kill.step} of ${steps}`, { cause })
    })
  }
})

test('F-09 a step that fails as a broken disk does is answered as an error, and all goes on after it', {
  timeout: 300_000,
}, async () => {
  using spares = openSpares()
  const steps = await countSteps(spares.take(), 1)
  const failing = fc.sample(fc.integer({ min: 1, max: steps }), { numRuns: failures, seed: 12 })
  for (const [seed, step] of failing.entries()) {
    await failStep(spares.take(), seed, step).catch((cause: unknown) => {
      throw new Error(`seed ${seed}, step ${step} of ${steps} failed`, { cause })
    })
  }
})
