/** What the monitors of an endpoint look at, and which monitors it has. */
import { type Monitor, monitorBody } from '../../runtime/contract/monitor.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { trafficOf } from '../endpoints/rules.ts'
import type { DeploymentState, EndpointState, Served, Store } from '../store/store.ts'

/** Every endpoint with a baseline has it. */
export const theDefault: Monitor = { name: 'default', ...monitorBody.parse({}) }

export interface Watched {
  deployment: DeploymentState
  /** Absent where the version has no baseline. */
  spec?: Served['spec']
}

export interface Baselined extends Watched {
  spec: NonNullable<Served['spec']>
}

export function hasBaseline(watched: Watched): watched is Baselined {
  return watched.spec !== undefined
}

/** Every deployment of the endpoint. */
export async function watchedOf(store: Store, { name, deployments }: EndpointState): Promise<Watched[]> {
  const served = await store.endpoints.served(name)
  return deployments.map((deployment) => {
    const { model, version } = deployment
    const found = served.find(
      (each) => each.deployment === deployment.name && each.model === model && each.version === version,
    )
    return { deployment, ...(found?.spec && { spec: found.spec }) }
  })
}

/** By name, `default` first unless it was made. */
export async function monitorsOf(
  store: Store,
  endpoint: EndpointState,
  watched: readonly Watched[],
): Promise<Monitor[]> {
  const made = await store.monitors.monitors(endpoint.name)
  const isMade = made.some(({ name }) => name === theDefault.name)
  return isMade || !watched.some(hasBaseline) ? made : [theDefault, ...made]
}

/** @throws {@link SelvedgeError} `NOT_FOUND` */
export async function findMonitor(store: Store, endpoint: EndpointState, name: string): Promise<Monitor> {
  const made = await store.monitors.monitor(endpoint.name, name)
  if (made !== undefined) return made
  if (name === theDefault.name && (await watchedOf(store, endpoint)).some(hasBaseline)) return theDefault
  throw unknownMonitor(endpoint.name, name)
}

/** @throws {@link SelvedgeError} `MONITOR_REFUSED` where the endpoint has no deployment */
export function busiest(endpoint: EndpointState): DeploymentState {
  const { split } = trafficOf(endpoint)
  const [first] = endpoint.deployments.toSorted((a, b) => (split[b.name] ?? 0) - (split[a.name] ?? 0))
  if (first === undefined) throw refuseMonitor(endpoint, 'it has no deployment')
  return first
}

export function refuseMonitor({ name }: Pick<EndpointState, 'name'>, why: string): SelvedgeError {
  return new SelvedgeError('MONITOR_REFUSED', `endpoint ${name} cannot be monitored so: ${why}`, { endpoint: name })
}

export function unknownMonitor(endpoint: string, monitor: string): SelvedgeError {
  return new SelvedgeError('NOT_FOUND', `endpoint ${endpoint} has no monitor ${monitor}`, { endpoint, monitor })
}
