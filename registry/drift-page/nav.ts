/** From one page of a monitor to the others of its endpoint, and to itself as a file. */
import { html } from 'hono/html'
import type { MonitorReport } from '../../runtime/contract/monitor-reports.ts'
import type { Html } from '../console/page.ts'
import { hasBaseline, monitorsOf, watchedOf } from '../monitor/watched.ts'
import type { EndpointState, Store } from '../store/store.ts'

export async function monitorNav(store: Store, endpoint: EndpointState, report: MonitorReport): Promise<Html> {
  const watched = await watchedOf(store, endpoint)
  const monitors = (await monitorsOf(store, endpoint, watched)).map(({ name }) => name)
  // Requests fail without a baseline, too.
  const shown = report.monitor.signal === 'health' ? watched : watched.filter(hasBaseline)
  const deployments = shown.map(({ deployment }) => deployment.name)
  const asked = { monitor: report.monitor.name, deployment: report.deployment }
  const link = (key: keyof typeof asked) => (name: string) => {
    const current = asked[key] === name ? html` aria-current="page"` : ''
    return html`<a href="?${query({ ...asked, [key]: name })}"${current}>${name}</a> `
  }
  const file = html` <a href="/api/v1/endpoints/${endpoint.name}/drift.html?${query(asked)}">Save as a file</a>`
  return html`<nav class="pages" aria-label="Monitors"><span>Deployments: ${deployments.map(link('deployment'))}</span> <span>Monitors: ${monitors.map(link('monitor'))}</span>${'features' in report ? file : ''}</nav>`
}

function query(asked: Record<string, string>): string {
  return new URLSearchParams(asked).toString()
}
