/** What changes an endpoint: pure rules from its state to the next, or a refusal that changes nothing. */

import { moveRanges, parseSplit } from '../../runtime/assignment/assignment.ts'
import type { Assignment, Traffic } from '../../runtime/contract/control.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { EnsembleDeployment } from '../store/deployment.ts'
import type { DeploymentState, EndpointState } from '../store/store.ts'

// As many as a plan may name.
const maxDeployments = 64

/** The first deployment takes all traffic, a later one none; one that is there keeps its share whatever of it changes. */
export function putDeployment(state: EndpointState, deployment: DeploymentState): EndpointState {
  const held = state.deployments.find(({ name }) => name === deployment.name)
  if (held !== undefined && isSame(held, deployment)) return state
  if (held !== undefined && essenceOf(held) !== essenceOf(deployment)) demandNotHeld(state, deployment.name)
  if (held !== undefined) {
    return { ...state, deployments: state.deployments.map((each) => (each === held ? deployment : each)) }
  }
  if (state.deployments.length === maxDeployments) {
    throw new SelvedgeError('IN_USE', `endpoint ${state.name} has ${maxDeployments} deployments, the most there can be`)
  }
  const deployments = [...state.deployments, deployment].sort((a, b) => (a.name < b.name ? -1 : 1))
  if (state.deployments.length > 0) return { ...state, deployments }
  return { ...state, deployments, ranges: moveRanges([], new Map([[deployment.name, 1_000_000]])) }
}

/** With the revision that its plan will have, or the one that the same steps came with. */
export function numberEnsemble(
  state: EndpointState,
  ensemble: Omit<EnsembleDeployment, 'version'>,
  now: number,
): EnsembleDeployment {
  const held = state.deployments.find(({ name }) => name === ensemble.name)
  const fresh = { ...ensemble, version: Math.max(state.revision + 1, now) }
  return held !== undefined && essenceOf(held) === essenceOf(fresh) ? { ...fresh, version: held.version } : fresh
}

/** @throws {@link SelvedgeError} `DEPLOYMENT_UNKNOWN`, `IN_USE` while it gets traffic or a rollout needs it */
export function removeDeployment(state: EndpointState, name: string): EndpointState {
  findDeployment(state, name)
  demandNotHeld(state, name)
  const share = sharesOf(state).get(name) ?? 0
  if (share > 0) {
    throw new SelvedgeError(
      'IN_USE',
      `deployment ${name} of ${state.name} gets ${share / 10_000} percent of the traffic`,
    )
  }
  if (state.shadow?.deployment === name) {
    throw new SelvedgeError('IN_USE', `deployment ${name} of ${state.name} gets shadow traffic`)
  }
  if (state.audience?.otherwise === name) {
    throw new SelvedgeError('IN_USE', `deployment ${name} of ${state.name} answers all who are not of its audience`)
  }
  return { ...state, deployments: state.deployments.filter((deployment) => deployment.name !== name) }
}

/** @throws {@link SelvedgeError} `IN_USE` while any of its deployments gets traffic */
export function refuseServing(state: EndpointState): void {
  const serving = [...sharesOf(state).keys()]
  if (serving.length === 0) return
  throw new SelvedgeError('IN_USE', `endpoint ${state.name} sends traffic to ${serving.join(', ')}`, { serving })
}

/**
 * Moves only the buckets that it must.
 *
 * @throws {@link SelvedgeError} `TRAFFIC_INVALID`, also for a deployment that the endpoint does not have; `IN_USE` while a
 * rollout moves it
 */
export function setTraffic(state: EndpointState, { split, shadow }: Traffic): EndpointState {
  demandFree(state)
  const ppm = parseSplit(split)
  const { shadow: _, ...rest } = state
  for (const name of [...ppm.keys(), ...(shadow ? [shadow.deployment] : [])]) {
    if (state.deployments.some((deployment) => deployment.name === name)) continue
    throw new SelvedgeError('TRAFFIC_INVALID', `endpoint ${state.name} has no deployment ${name}`, { deployment: name })
  }
  const next: EndpointState = {
    ...rest,
    ranges: moveRanges(state.ranges, ppm),
    ...(shadow && { shadow: { deployment: shadow.deployment, ppm: parseShadow(shadow.percent) } }),
  }
  const same =
    JSON.stringify([state.ranges, state.shadow ?? null]) === JSON.stringify([next.ranges, next.shadow ?? null])
  return same ? state : next
}

/**
 * Another scheme or salt deals anew; an audience takes out whom the split is not for.
 *
 * @throws {@link SelvedgeError} `TRAFFIC_INVALID` for a deployment of the others that the endpoint does not have, `IN_USE`
 * while a rollout moves the traffic
 */
export function setAssignment(
  state: EndpointState,
  { scheme, salt = state.salt, audience }: Assignment,
): EndpointState {
  demandFree(state)
  const others = audience?.otherwise
  if (others !== undefined && !state.deployments.some(({ name }) => name === others)) {
    throw new SelvedgeError('TRAFFIC_INVALID', `endpoint ${state.name} has no deployment ${others}`, {
      deployment: others,
    })
  }
  const { audience: _, ...rest } = state
  const next: EndpointState = { ...rest, scheme, salt, ...(audience && { audience }) }
  const textOf = (each: EndpointState) => JSON.stringify([each.scheme, each.salt, each.audience ?? null])
  return textOf(state) === textOf(next) ? state : next
}

/** The split in percent, every deployment named. */
export function trafficOf(state: EndpointState): Traffic {
  const shares = sharesOf(state)
  return {
    split: Object.fromEntries(state.deployments.map(({ name }) => [name, (shares.get(name) ?? 0) / 10_000])),
    ...(state.shadow && { shadow: { deployment: state.shadow.deployment, percent: state.shadow.ppm / 10_000 } }),
  }
}

/** @throws {@link SelvedgeError} `DEPLOYMENT_UNKNOWN` */
export function findDeployment(state: EndpointState, name: string): DeploymentState {
  const found = state.deployments.find((deployment) => deployment.name === name)
  if (found !== undefined) return found
  throw new SelvedgeError('DEPLOYMENT_UNKNOWN', `endpoint ${state.name} has no deployment ${name}`, {
    deployment: name,
  })
}

function isSame(a: DeploymentState, b: DeploymentState): boolean {
  return essenceOf(a) === essenceOf(b) && JSON.stringify(a.resources ?? {}) === JSON.stringify(b.resources ?? {})
}

/** What of it makes the answers. */
function essenceOf(deployment: DeploymentState): string {
  const { kind, model, version } = deployment
  if (kind !== 'ensemble') return JSON.stringify([model, version])
  return JSON.stringify([deployment.steps, deployment.inputs, deployment.outputs])
}

/** @throws {@link SelvedgeError} `IN_USE` while a rollout moves the traffic */
export function demandFree({ name, rollout }: EndpointState): void {
  if (rollout === undefined) return
  const { id } = rollout
  throw new SelvedgeError('IN_USE', `rollout ${id} moves the traffic of ${name}: abort it or roll back`, {
    rollout: id,
  })
}

// What it compares, and where it goes back to.
function demandNotHeld({ name, rollout }: EndpointState, deployment: string): void {
  if (!rollout?.deployments.includes(deployment)) return
  throw new SelvedgeError('IN_USE', `deployment ${deployment} of ${name} is held by rollout ${rollout.id}`, {
    rollout: rollout.id,
  })
}

/** Percent of each deployment that has any. */
export function percentOf(split: Pick<EndpointState, 'ranges'>): Record<string, number> {
  return Object.fromEntries([...sharesOf(split)].map(([name, ppm]) => [name, ppm / 10_000]))
}

/** Parts per million of each deployment that has any. */
export function sharesOf({ ranges }: Pick<EndpointState, 'ranges'>): Map<string, number> {
  const shares = new Map<string, number>()
  for (const [name, from, to] of ranges) shares.set(name, (shares.get(name) ?? 0) + to - from)
  return shares
}

function parseShadow(percent: number): number {
  const ppm = Math.round(percent * 10_000)
  if (ppm / 10_000 === percent && ppm >= 0 && ppm <= 1_000_000) return ppm
  throw new SelvedgeError('TRAFFIC_INVALID', `shadow: got ${percent} percent, want 0 to 100 with at most 4 decimals`)
}
