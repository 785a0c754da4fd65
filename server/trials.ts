/** Trials: a plan is loaded in a spare process first, so that a network that crashes at load costs nobody an answer. */
import type { ExecutionProvider } from '../runtime/contract/names.ts'
import type { Plan, PlanDeployment } from '../runtime/contract/plan.ts'
import type { LoadedDeployment } from '../runtime/delivery/loader.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import type { ScorerProcess } from './scorer-process.ts'

/** Deployments with their bytes, for the process that does not hold them yet. */
export type Load = (
  plan: Plan,
  deployments: readonly PlanDeployment[],
  providers: readonly ExecutionProvider[],
) => Promise<LoadedDeployment[]>

export interface Trials {
  /**
   * Loads all of the plan's deployments and lets go of them; one plan at a time.
   *
   * @throws {@link SelvedgeError} what `load` or the scorer refused with, `SCORER_DIED` where the spare process died
   */
  run(plan: Plan, load: Load): Promise<void>
  close(): void
}

/** @param open - starts a process; it ends when no plan waits for its trial */
export function openTrials(open: () => Promise<ScorerProcess>): Trials {
  let turn: Promise<unknown> = Promise.resolve()
  let waiting = 0
  let spare: ScorerProcess | undefined
  let closed = false

  async function tryOut(plan: Plan, load: Load): Promise<void> {
    try {
      spare ??= await open()
      if (closed) throw new SelvedgeError('HOST_CLOSED', 'the host was closed')
      await spare.serve(plan, await load(plan, plan.deployments, await spare.ready))
      await spare.withdraw(plan.endpoint)
    } catch (thrown) {
      if (!(thrown instanceof SelvedgeError && thrown.code === 'SCORER_DIED')) throw thrown
      end()
      const why = `revision ${plan.revision} of ${plan.endpoint} killed the spare process that loaded it`
      throw new SelvedgeError('SCORER_DIED', why, {}, { cause: thrown })
    } finally {
      waiting--
      if (waiting === 0 || closed) end()
    }
  }

  function end(): void {
    spare?.kill('no plan waits for its trial')
    spare = undefined
  }

  return {
    run(plan, load) {
      waiting++
      const tried = turn.then(() => tryOut(plan, load))
      turn = tried.catch(() => undefined)
      return tried
    },
    close() {
      closed = true
      end()
    },
  }
}
