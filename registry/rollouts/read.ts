/** A rollout as it is told: its row, with what it waits for and how it came there. */
import { isUnderWay, type Rollout } from '../../runtime/contract/rollout.ts'
import { percentOf } from '../endpoints/rules.ts'
import type { Services } from '../http/env.ts'
import type { RolloutRecord } from '../store/rollouts.ts'

export async function toRollout({ store, rollouts }: Services, found: RolloutRecord): Promise<Rollout> {
  const { changes: _, revision: __, before, ...record } = found
  const seen = isUnderWay(found) ? rollouts.seen(found) : undefined
  return {
    ...record,
    percent: found.steps[found.step] ?? 0,
    before: percentOf(before),
    ...(seen && { now: { evidence: seen.evidence, waits: seen.waits } }),
    history: await store.rollouts.history(found.id),
  }
}
