/**
 * Proof of F-03: a registry is killed before and after every durable step by which it moves a rollout, 200 times or more,
 * while four hosts read its plan as often as they can: each reads the old split or the new one, never a blend, never an
 * older one after a newer; started again, the rollout goes on where it was. And of F-07: of two registries on one database one
 * stands still for 30 seconds, five times. `node test/proof/rollout-crash.ts [kills]`
 */
import { openSpares } from '../registry/crash/crash.ts'
import type { KillPoint } from '../registry/crash/steps.ts'
import { countRolloutSteps, crashRollout, openTemplate, standStill } from '../registry/rollouts/crash.ts'

const least = Number(process.argv[2] ?? '200')
const stops = 5

using spares = openSpares()
const began = performance.now()
await using template = await openTemplate()
const { first, last } = await countRolloutSteps(template.dataDir, spares.take())
const points: KillPoint[] = []
while (points.length < least) {
  for (let step = first; step <= last; step++)
    for (const when of ['before', 'after'] as const) points.push({ step, when })
}
let reads = 0
const failures: string[] = []
for (const kill of points) {
  try {
    reads += await crashRollout(template.dataDir, spares.take(), kill)
  } catch (thrown) {
    failures.push(`killed ${kill.when} step ${kill.step}: ${thrown instanceof Error ? thrown.message : thrown}`)
  }
}
for (let i = 0; i < stops; i++) {
  await standStill(template.dataDir, 30_000).catch((thrown: unknown) => {
    failures.push(`stood still: ${thrown instanceof Error ? thrown.message : thrown}`)
  })
}
console.log(`durable steps of a rollout over two splits: ${last - first + 1}`)
console.log(`kills: ${points.length}, each followed by a start and the rest of the rollout; plans read: ${reads}`)
console.log(`one of two registries stood still for 30 s, times: ${stops}`)
console.log(`broken promises: ${failures.length}`)
for (const failure of failures.slice(0, 20)) console.log(failure)
console.log(`took ${((performance.now() - began) / 60_000).toFixed(0)} min`)
process.exitCode = failures.length === 0 ? 0 : 1
