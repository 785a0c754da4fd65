/**
 * Proof of F-01, F-02 and F-09: a registry is killed before, half through and after every durable step of upload, publish,
 * alias and traffic, and every step fails once as a broken disk does. Nothing acknowledged may be lost, nothing half
 * visible, everything must be possible again, and nothing may be left over after a collection: `npm run proof`; what it
 * printed lies beside it.
 */
import { countSteps, crash, failStep, openSpares } from '../registry/crash/crash.ts'
import type { KillPoint } from '../registry/crash/steps.ts'

const least = 1200

using spares = openSpares()
const began = performance.now()
const steps = await countSteps(spares.take(), 0)
const points: KillPoint[] = []
while (points.length < least) {
  for (let step = 1; step <= steps; step++) {
    for (const when of ['before', 'half', 'after'] as const) points.push({ step, when })
  }
}
const failures: string[] = []
for (const [seed, kill] of points.entries()) {
  await crash(spares.take(), seed, kill).catch((thrown: unknown) => {
    failures.push(
      `seed ${seed}, killed ${kill.when} step ${kill.step}: ${thrown instanceof Error ? thrown.message : thrown}`,
    )
  })
}
for (let step = 1; step <= steps; step++) {
  await failStep(spares.take(), step, step).catch((thrown: unknown) => {
    failures.push(`step ${step} failed: ${thrown instanceof Error ? thrown.message : thrown}`)
  })
}
console.log(`durable steps of the workload: ${steps}`)
console.log(`kills: ${points.length}, each followed by a start, the checks, the workload again and a collection`)
console.log(`steps that failed with EIO: ${steps}, each followed by the checks in the same life and in the next`)
console.log(`broken promises: ${failures.length}`)
for (const failure of failures.slice(0, 20)) console.log(failure)
console.log(`took ${((performance.now() - began) / 60_000).toFixed(0)} min`)
process.exitCode = failures.length === 0 ? 0 : 1
