/** What a change of an endpoint is told as: its deployments that are new or serve something else, and its traffic. */
import { type DeploymentState, versionsOf } from '../store/deployment.ts'
import type { NewEvent } from '../store/events.ts'
import type { EndpointState } from '../store/store.ts'

export function endpointEvents(before: EndpointState, after: EndpointState): NewEvent[] {
  const at = new Date(after.issuedAt).toISOString()
  const facts = { at, about: { endpoint: after.name } }
  const revision = { revision: after.revision }
  const served = new Map(before.deployments.map((each) => [each.name, JSON.stringify(versionsOf(each))]))
  const ready = after.deployments.filter((each) => served.get(each.name) !== JSON.stringify(versionsOf(each)))
  const removed = before.deployments.filter(({ name }) => !after.deployments.some((each) => each.name === name))
  const event = (type: NewEvent['type'], deployment: DeploymentState): NewEvent => {
    const { name: subject, version, model } = deployment
    const data = { deployment: subject, ...(model !== undefined && { model }), version, ...revision }
    return { type, ...facts, subject, data }
  }
  const moved = trafficText(before) !== trafficText(after)
  return [
    ...ready.map((each) => event('deployment.ready', each)),
    ...removed.map((each) => event('deployment.removed', each)),
    ...(moved ? [{ type: 'traffic.changed' as const, ...facts, data: { split: sharesOf(after), ...revision } }] : []),
  ]
}

function trafficText({ ranges, shadow }: EndpointState): string {
  return JSON.stringify([ranges, shadow ?? null])
}

/** Percent by deployment. */
function sharesOf({ ranges }: EndpointState): Record<string, number> {
  const shares: Record<string, number> = {}
  for (const [name, from, to] of ranges) shares[name] = (shares[name] ?? 0) + to - from
  return Object.fromEntries(Object.entries(shares).map(([name, ppm]) => [name, ppm / 10_000]))
}
