/** A flag whose value is a deployment: what the plan of an endpoint gives a caller (OpenFeature, "Evaluation Details"). */
import { assign } from '../assignment/assignment.ts'
import type { Caller } from '../assignment/audience.ts'
import type { Plan } from '../contract/plan.ts'
import { isExpired } from '../plan/plan.ts'

/** As JSON. */
export type DeploymentValue = {
  deployment: string
  /** Of an ensemble the revision of the plan that its steps came with. */
  version: number
} & ({ model: string; manifest: string } | { steps: { model: string; version: number }[] })

/**
 * `SPLIT`: by the place of the unit. `TARGETING_MATCH`: the one deployment of the audience. `STATIC`: the one deployment of
 * everybody. `DEFAULT`: that of all whom the audience leaves out. `STALE`: the plan has expired, and whatever it gave.
 */
export type FlagReason = 'SPLIT' | 'TARGETING_MATCH' | 'STATIC' | 'DEFAULT' | 'STALE'

export interface Flag {
  value: DeploymentValue
  reason: FlagReason
  /** As of an assignment. */
  isBySplit: boolean
}

/**
 * @param now - ms since 1970
 * @returns undefined while nothing gets traffic
 */
export function flagOf(plan: Plan, caller: Caller, now: number): Flag | undefined {
  const { deployment, isBySplit } = assign(plan, caller)
  const value = deployment === undefined ? undefined : describe(plan, deployment)
  if (value === undefined) return undefined
  return { value, reason: isExpired(plan, now) ? 'STALE' : reasonOf(plan, isBySplit), isBySplit }
}

function reasonOf({ audience, ranges }: Plan, isBySplit: boolean): FlagReason {
  if (!isBySplit) return 'DEFAULT'
  if (new Set(ranges.map(([deployment]) => deployment)).size > 1) return 'SPLIT'
  return audience === undefined ? 'STATIC' : 'TARGETING_MATCH'
}

function describe({ deployments, ensembles = [] }: Plan, name: string): DeploymentValue | undefined {
  const found = deployments.find((each) => each.name === name)
  if (found !== undefined) {
    return { deployment: name, version: found.version, model: found.model, manifest: found.manifest }
  }
  const ensemble = ensembles.find((each) => each.name === name)
  if (ensemble === undefined) return undefined
  const steps = ensemble.steps.flatMap(({ deployment }) => deployments.filter((each) => each.name === deployment))
  return {
    deployment: name,
    version: ensemble.version,
    steps: steps.map(({ model, version }) => ({ model, version })),
  }
}
