/**
 * Watching rollouts: every second those that are due are looked at, and what the evidence decides is done. All that is
 * needed stands in their rows: a registry that was killed goes on where they are, and of two registries one alone moves one.
 */
import type { RolloutEvidence } from '../../runtime/contract/rollout.ts'
import { holdMs } from '../../runtime/contract/rollout.ts'
import { decide } from '../../runtime/rollout/decide.ts'
import type { RolloutRecord } from '../store/rollouts.ts'
import type { Store } from '../store/store.ts'
import { readEvidence } from './evidence.ts'
import { advance, revert } from './rules.ts'

/** What the last look at a rollout saw, in the step that runs. */
export interface Seen {
  step: number
  evidence: RolloutEvidence
  waits: string[]
}

export interface Watch {
  /** Undefined until it was looked at in this step by this registry. */
  seen(rollout: RolloutRecord): Seen | undefined
  /** Settles once no look is under way; none begins from now on. */
  close(): Promise<void>
}

export interface WatchOptions {
  store: Store
  /** An endpoint was changed. */
  changed(endpoint: string): void
  now(): number
  log(entry: Record<string, unknown>): void
}

const everyMs = 1000
/** Hosts report once a minute: looking more often finds nothing more. */
const mostBetweenMs = 15_000

export function openWatch(options: WatchOptions): Watch {
  const looks = new Map<string, Seen>()
  const nextAt = new Map<string, number>()
  let isClosed = false
  let timer: NodeJS.Timeout | undefined

  async function lookAtDue(): Promise<void> {
    try {
      const underWay = await options.store.rollouts.underWay()
      for (const rollout of underWay) {
        if (isClosed) return
        const key = `${rollout.id} ${rollout.step}`
        if ((nextAt.get(key) ?? 0) > performance.now()) continue
        const began = performance.now()
        await lookAt(rollout)
        const tookMs = performance.now() - began
        nextAt.set(key, performance.now() + Math.max(betweenMs(rollout, options.now()), 20 * tookMs))
      }
      forget(underWay)
    } catch (thrown) {
      options.log({ level: 'error', event: 'rollouts not looked at', cause: String(thrown) })
    }
  }

  // One that fails is looked at again; the others go on.
  async function lookAt(rollout: RolloutRecord): Promise<void> {
    try {
      const seen = await lookOnce(options, rollout)
      if (seen !== undefined) looks.set(rollout.id, seen)
    } catch (thrown) {
      options.log({ level: 'error', event: 'rollout not looked at', rollout: rollout.id, cause: String(thrown) })
    }
  }

  function forget(underWay: readonly RolloutRecord[]): void {
    const kept = new Set(underWay.map(({ id }) => id))
    for (const id of looks.keys()) if (!kept.has(id)) looks.delete(id)
    const keys = new Set(underWay.map(({ id, step }) => `${id} ${step}`))
    for (const key of nextAt.keys()) if (!keys.has(key)) nextAt.delete(key)
  }

  async function run(): Promise<void> {
    await lookAtDue()
    if (isClosed) return
    timer = setTimeout(() => {
      running = run()
    }, everyMs)
    timer.unref()
  }
  let running = run()

  return {
    seen(rollout) {
      const seen = looks.get(rollout.id)
      return seen?.step === rollout.step ? seen : undefined
    },
    async close() {
      isClosed = true
      clearTimeout(timer)
      await running
    },
  }
}

/** Until the next look: at the end of its hold at the latest, while that lasts. */
function betweenMs({ hold, stepStartedAt }: RolloutRecord, now: number): number {
  const leftMs = Date.parse(stepStartedAt) + holdMs(hold) - now
  return Math.min(mostBetweenMs, holdMs(hold) / 20, leftMs > 0 ? leftMs : mostBetweenMs)
}

/** Does what the evidence decides; what was seen where that is to hold, or where another registry was quicker. */
export async function lookOnce(
  { store, changed, now }: WatchOptions,
  rollout: RolloutRecord,
): Promise<Seen | undefined> {
  const state = await store.endpoints.endpoint(rollout.endpoint)
  if (state === undefined) return undefined
  const at = now()
  const evidence = await readEvidence(store, rollout, state, at)
  const { action, reasons } = decide(rollout, evidence, at)
  // A paused one does not advance; a broken guard takes it back all the same.
  if (action === 'hold' || (action !== 'revert' && rollout.state === 'paused')) {
    return { step: rollout.step, evidence, waits: action === 'hold' ? reasons : ['to be resumed'] }
  }
  const moved = await store.rollouts.change(rollout.id, rollout.changes, at, (held, endpoint) =>
    action === 'revert' ? revert(held, evidence, reasons, at) : advance(held, endpoint, evidence, at),
  )
  if (moved !== undefined) changed(rollout.endpoint)
  return undefined
}
