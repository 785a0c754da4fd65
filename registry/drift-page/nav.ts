/** From one drift page to the others of its endpoint, and to itself as a file. */
import { html } from 'hono/html'
import type { DriftReport } from '../../runtime/contract/monitor.ts'
import type { Html } from '../console/page.ts'
import { hasBaseline, monitorsOf, watchedOf } from '../monitor/watched.ts'
import type { EndpointState, Store } from '../store/store.ts'

export async function driftNav(store: Store, endpoint: EndpointState, report: DriftReport): Promise<Html> {
  const watched = await watchedOf(store, endpoint)
  const made = await monitorsOf(store, endpoint, watched)
  const monitors = made.filter(({ signal }) => signal === 'drift' || signal === 'quality').map(({ name }) => name)
  const deployments = watched.filter(hasBaseline).map(({ deployment }) => deployment.name)
  const asked = { monitor: report.monitor.name, deployment: report.deployment }
  const link = (key: keyof typeof asked) => (name: string) => {
    const current = asked[key] === name ? html` aria-current="page"` : ''
    return html`<a href="?${query({ ...asked, [key]: name })}"${current}>${name}</a> `
  }
  return html`<nav class="pages" aria-label="Drift pages"><span>Deployments: ${deployments.map(link('deployment'))}</span> <span>Monitors: ${monitors.map(link('monitor'))}</span> <a href="/api/v1/endpoints/${endpoint.name}/drift.html?${query(asked)}">Save as a file</a></nav>`
}

function query(asked: Record<string, string>): string {
  return new URLSearchParams(asked).toString()
}
