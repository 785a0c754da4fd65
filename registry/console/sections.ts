/** The parts of the status page. */
import { html } from 'hono/html'
import type { ModelVersion, ProfileSum } from '../../runtime/contract/control.ts'
import { isUnderWay } from '../../runtime/contract/rollout.ts'
import { labelOf } from '../../runtime/rollout/decide.ts'
import { trafficOf } from '../endpoints/rules.ts'
import { type DeploymentState, versionsOf } from '../store/deployment.ts'
import { chart } from './chart.ts'
import { formatBytes, formatCount, formatTime } from './format.ts'
import type { Html } from './page.ts'
import { type EndpointStatus, type Status, shown } from './status.ts'

const shades = 6
const charts = 40

export function modelsSection({ models }: Status): Html {
  if (models.length === 0) {
    return html`<h2 id="models">Models</h2><p>None yet: <code>selvedge push NAME model.onnx</code> pushes one.</p>`
  }
  const rows = models.flatMap(({ model, versions }) => versions.map((version) => versionRow(model.name, version)))
  return html`<h2 id="models">Models</h2>
<div class="scroll" role="region" tabindex="0" aria-label="Versions"><table><caption>The newest ${shown.versions} versions of each model</caption>
<thead><tr><th scope="col">Model</th><th scope="col" class="number">Version</th><th scope="col">Pushed</th><th scope="col" class="number">Size</th><th scope="col">Tags</th><th scope="col">Metrics</th><th scope="col">Why</th></tr></thead>
<tbody>${rows}</tbody></table></div>`
}

export function endpointSection(status: EndpointStatus): Html {
  const { state, sums, counted } = status
  return html`<section aria-labelledby="endpoint-${state.name}">
<h2 id="endpoint-${state.name}">Endpoint ${state.name}</h2>
<p class="dim">Plan revision ${state.revision} · salt ${state.salt} · ${formatCount(counted.exposures)} exposures and ${formatCount(counted.outcomes)} outcomes kept · <a href="/endpoints/${state.name}/drift">drift</a>${state.deployments.length > 1 ? html` · <a href="/endpoints/${state.name}/experiment">experiment</a>` : ''}</p>
${splitBar(status)}
${deploymentTable(status)}
${rolloutTable(status)}
${hostTable(status)}
${sums.length === 0 ? html`<p>No counts were reported in the last ${shown.hours} hours.</p>` : sums.map(profileSection)}
</section>`
}

function versionRow(model: string, version: ModelVersion): Html {
  const { metrics = {} } = version.description?.provenance ?? {}
  return html`<tr><th scope="row">${model}</th><td class="number">${version.version}</td><td>${time(version.createdAt)}</td><td class="number">${formatBytes(version.sizeBytes)}</td><td class="text">${pairs(version.tags)}</td><td class="text">${pairs(metrics)}</td><td class="text">${version.why ?? ''}</td></tr>`
}

function splitBar({ state }: EndpointStatus): Html {
  const names = state.deployments.map(({ name }) => name)
  const parts = state.ranges.map(
    ([name, from, to]) =>
      html`<rect class="share${names.indexOf(name) % shades}" x="${from}" y="0" width="${to - from}" height="1"><title>${name}: buckets ${from} to ${to}</title></rect>`,
  )
  const words = Object.entries(trafficOf(state).split).map(([name, percent]) => `${name} ${percent} %`)
  return html`<svg class="split" viewBox="0 0 1000000 1" preserveAspectRatio="none" role="img" aria-label="Traffic: ${state.ranges.length === 0 ? 'none' : words.join(', ')}">${parts}</svg>`
}

function deploymentTable({ state }: EndpointStatus): Html {
  const { split, shadow } = trafficOf(state)
  const rows = state.deployments.map(
    (deployment, i) =>
      html`<tr><th scope="row"><svg class="key" viewBox="0 0 1 1" aria-hidden="true"><rect class="share${i % shades}" width="1" height="1"/></svg> ${deployment.name}</th><td>${versionsText(deployment)}</td><td class="number">${split[deployment.name] ?? 0} %</td><td class="number">${shadow?.deployment === deployment.name ? `${shadow.percent} %` : ''}</td><td>${time(deployment.createdAt)}</td></tr>`,
  )
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Deployments"><table><caption>Deployments</caption>
<thead><tr><th scope="col">Deployment</th><th scope="col">Version</th><th scope="col" class="number">Traffic</th><th scope="col" class="number">Shadow</th><th scope="col">Since</th></tr></thead>
<tbody>${rows}</tbody></table></div>`
}

function rolloutTable({ rollouts }: EndpointStatus): Html | string {
  if (rollouts.length === 0) return ''
  const rows = rollouts.map((rollout) => {
    const { deployment, state, percent, step, steps, stepStartedAt, history, now } = rollout
    const last = history.at(-1)
    const { guards = [] } = now?.evidence ?? last?.evidence ?? {}
    const says = guards.map(({ guard, verdict }) => `${labelOf(guard)} ${verdict}`)
    const why = isUnderWay(rollout) ? (now?.waits ?? ['a first look']).join(', ') : (last?.why ?? '')
    return html`<tr><th scope="row">${deployment}</th><td>${state}</td><td class="number">${percent} %, ${step + 1} of ${steps.length}</td><td>${time(isUnderWay(rollout) ? stepStartedAt : (last?.at ?? stepStartedAt))}</td><td class="text">${why}</td><td class="text">${says.join(', ')}</td></tr>`
  })
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Rollouts"><table><caption>Rollouts: the one under way, and the last that was taken back</caption>
<thead><tr><th scope="col">Deployment</th><th scope="col">State</th><th scope="col" class="number">Step</th><th scope="col">Since</th><th scope="col">Waits for, or why</th><th scope="col">Guards</th></tr></thead>
<tbody>${rows}</tbody></table></div>`
}

function versionsText(deployment: DeploymentState): string {
  return versionsOf(deployment)
    .map(({ model, version }) => `${model}@${version}`)
    .join(' → ')
}

function hostTable({ state, hosts }: EndpointStatus): Html {
  if (hosts.length === 0) return html`<p>No host has reported in the last seven days.</p>`
  const rows = hosts.map(
    ({ sender, device, providers, rows, revision, firstSeenAt, lastSeenAt }) =>
      html`<tr><th scope="row"><code>${sender}</code></th><td>${device}</td><td>${providers.join(', ')}</td><td class="number">${formatCount(rows)}</td><td>${revision === state.revision ? 'in force' : revision}</td><td>${time(firstSeenAt)}</td><td>${time(lastSeenAt)}</td></tr>`,
  )
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Hosts"><table><caption>Hosts, the latest ${shown.hosts} of the last seven days</caption>
<thead><tr><th scope="col">Sender</th><th scope="col">Device</th><th scope="col">Providers</th><th scope="col" class="number">Rows</th><th scope="col">Plan</th><th scope="col">First seen</th><th scope="col">Last seen</th></tr></thead>
<tbody>${rows}</tbody></table></div>`
}

function profileSection(sum: ProfileSum): Html {
  const { deployment, version, variant, provider, device, rows, senders, baseline, errors } = sum
  const now = sum.shares ?? sum
  const features = [
    ...(baseline?.features ?? []).map((feature) => chart(feature, now.counts[feature.name] ?? [])),
    ...(baseline?.outputs ?? []).map((output) => chart(output, now.outputs[output.name] ?? [])),
  ]
  const failed = Object.entries(errors).map(([code, count]) => `${code} ${formatCount(count)}`)
  return html`<h3>${deployment}, version ${version}: ${variant} on ${provider}, ${device}</h3>
<p class="dim">${formatCount(rows)} rows from ${formatCount(senders)} ${senders === 1 ? 'host' : 'hosts'} in the last ${shown.hours} hours${failed.length > 0 ? ` · errors: ${failed.join(', ')}` : ''}. Bars are shares now${sum.shares ? ', each page weighs the same' : ''}, the outline is the baseline.</p>
${baseline === undefined ? html`<p>This version has no baseline.</p>` : html`<div class="features">${features.slice(0, charts)}</div>`}
${features.length > charts ? html`<p>${features.length - charts} more features are in <code>GET /api/v1/endpoints/…/profiles</code>.</p>` : ''}`
}

function time(at: string): Html {
  return html`<time datetime="${at}">${formatTime(at)}</time>`
}

function pairs(record: Readonly<Record<string, string | number>>): string {
  return Object.entries(record)
    .map(([key, value]) => `${key} ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`)
    .join(', ')
}
