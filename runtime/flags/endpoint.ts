/** One endpoint behind a flag: its plan followed, exposures and outcomes reported. No model is loaded. */

import { openUnits, type Units } from '../assignment/units.ts'
import type { Plan } from '../contract/plan.ts'
import type { TelemetryReport } from '../contract/telemetry.ts'
import { SelvedgeError } from '../errors.ts'
import { followPlan } from '../plan/follower.ts'
import { openPost } from '../telemetry/post.ts'
import { openReporter } from '../telemetry/reporter.ts'
import { openTally } from '../telemetry/tally.ts'

export type Send = (report: TelemetryReport, leaving?: boolean) => Promise<void>

export interface EndpointOptions {
  /** Base address. */
  registry: string
  token: string | undefined
  keys: readonly string[]
  keepPlan(endpoint: string, jws: string): Promise<void>
  /** What reports of an endpoint are given to, which `send` posts. */
  outbox(endpoint: string, send: Send): Send
  /** Told of plans that were not adopted and reports that were not sent: both are tried again, but for a refused report. */
  failed(error: unknown): void
}

export interface FlagEndpoint {
  readonly plan: Plan | undefined
  /** What kept it from its first plan. */
  readonly failure: SelvedgeError | undefined
  readonly units: Units
  /** As of a follower. */
  readonly ready: Promise<void>
  /** @param leaving - as of a reporter */
  flush(leaving: boolean): Promise<boolean>
  /** Reports once more. */
  close(): Promise<void>
}

/**
 * @param held - the signed plan that was held last
 * @param adopted - told of each plan, and whether it is more than the one before signed anew
 */
export function openEndpoint(
  endpoint: string,
  held: string | undefined,
  adopted: (isNew: boolean) => void,
  { registry, token, keys, keepPlan, outbox, failed }: EndpointOptions,
): FlagEndpoint {
  let plan: Plan | undefined
  let failure: SelvedgeError | undefined
  const units = openUnits()
  const postReport = openPost(token)
  const post = outbox(endpoint, async (report, leaving) => {
    if (plan === undefined) throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
    await postReport(plan.telemetry.url, report, leaving)
  })
  // Nothing is scored here: its windows are empty, and carry what units were given and told.
  const reporter = openReporter({ plan: () => plan, tally: openTally('server'), units, post, failed })

  async function adopt(next: Plan, jws: string): Promise<void> {
    const isNew = plan?.revision !== next.revision
    plan = next
    adopted(isNew)
    await keepPlan(endpoint, jws).catch(failed)
  }

  const follower = followPlan({
    registry,
    endpoint,
    token,
    keys,
    held,
    adopt,
    failed(error) {
      failure = error
      failed(error)
    },
  })

  return {
    get plan() {
      return plan
    },
    get failure() {
      return failure
    },
    units,
    ready: follower.ready,
    flush: (leaving) => reporter.flush(leaving),
    async close() {
      follower.close()
      reporter.close()
      await reporter.flush(true)
    },
  }
}
