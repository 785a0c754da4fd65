/** Which monitors an endpoint has, what they look at, and the report of one at a moment. */
import { type DriftReport, type Monitor, monitorBody } from '../../runtime/contract/monitor.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { trafficOf } from '../endpoints/rules.ts'
import type { DeploymentState, EndpointState, Served, Store } from '../store/store.ts'
import { driftReport } from './drift.ts'
import { observe } from './observe.ts'

/** Every endpoint with a baseline has it. */
export const theDefault: Monitor = { name: 'default', ...monitorBody.parse({}) }

export interface Baselined {
  deployment: DeploymentState
  spec: NonNullable<Served['spec']>
}

/** Deployments whose version has a baseline. */
export async function withBaseline(store: Store, { name, deployments }: EndpointState): Promise<Baselined[]> {
  const served = await store.endpoints.served(name)
  return deployments.flatMap((deployment) => {
    const { model, version } = deployment
    const found = served.find(
      (each) => each.deployment === deployment.name && each.model === model && each.version === version,
    )
    return found?.spec === undefined ? [] : [{ deployment, spec: found.spec }]
  })
}

/** By name, `default` first unless it was made. */
export async function monitorsOf(
  store: Store,
  endpoint: EndpointState,
  deployed: readonly Baselined[],
): Promise<Monitor[]> {
  const made = await store.monitors.monitors(endpoint.name)
  const isMade = made.some(({ name }) => name === theDefault.name)
  return isMade || deployed.length === 0 ? made : [theDefault, ...made]
}

/** @throws {@link SelvedgeError} `NOT_FOUND` */
export async function findMonitor(store: Store, endpoint: EndpointState, name: string): Promise<Monitor> {
  const made = await store.monitors.monitor(endpoint.name, name)
  if (made !== undefined) return made
  const isThere = name === theDefault.name && (await withBaseline(store, endpoint)).length > 0
  if (isThere) return theDefault
  throw unknownMonitor(endpoint.name, name)
}

/**
 * The report of a monitor on a deployment, from the windows that began before a moment.
 *
 * @param at - ms since 1970
 */
export async function reportAt(
  store: Store,
  endpoint: string,
  monitor: Monitor,
  { deployment, spec: { digest, spec } }: Baselined,
  at: number,
): Promise<DriftReport> {
  const counted = { deployment: deployment.name, version: deployment.version, spec: digest }
  const observed = await observe(store, endpoint, counted, monitor, Date.parse(deployment.createdAt), at)
  return await driftReport({ endpoint, monitor, counted, spec, ...observed, now: at })
}

/** @throws {@link SelvedgeError} `MONITOR_REFUSED` where the endpoint has no deployment */
export function busiest(endpoint: EndpointState): DeploymentState {
  const { split } = trafficOf(endpoint)
  const [first] = endpoint.deployments.toSorted((a, b) => (split[b.name] ?? 0) - (split[a.name] ?? 0))
  if (first === undefined) throw refuseMonitor(endpoint, 'it has no deployment')
  return first
}

export function refuseMonitor({ name }: EndpointState, why: string): SelvedgeError {
  return new SelvedgeError('MONITOR_REFUSED', `endpoint ${name} cannot be monitored so: ${why}`, { endpoint: name })
}

export function unknownMonitor(endpoint: string, monitor: string): SelvedgeError {
  return new SelvedgeError('NOT_FOUND', `endpoint ${endpoint} has no monitor ${monitor}`, { endpoint, monitor })
}
