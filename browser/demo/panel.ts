/** What the demo page shows of an answer and of the host's state. */
import type { ConnectionState, Scored } from '../../runtime/connection.ts'
import type { ConnectionEvent } from '../protocol.ts'

export function showAnswer(scored: Scored): void {
  if (!('class' in scored)) return
  element('class').textContent = scored.class
  const bars = Object.entries(scored.scores).map(([name, score]) => {
    const bar = make('li')
    const fill = make('span', 'bar')
    fill.style.setProperty('--score', String(score))
    bar.append(make('span', undefined, name), fill, make('output', undefined, `${(score * 100).toFixed(1)} %`))
    return bar
  })
  element('bars').replaceChildren(...bars)
  const { queueMs, computeMs, totalMs } = scored.timings
  showPairs(element('answer'), {
    'answered by': `${scored.deployment}, version ${scored.version} (${scored.variant})`,
    provider: scored.provider,
    why: scored.why,
    took: `${ms(totalMs)}: model ${ms(computeMs)}, waiting ${ms(queueMs)}`,
  })
}

/** Tells whoever reads the page by other means than eyes that the answer is about to change. */
export function showBusy(busy: boolean): void {
  element('result').ariaBusy = String(busy)
}

export function clearAnswer(): void {
  element('class').textContent = '\u00a0'
  element('bars').replaceChildren()
  element('answer').replaceChildren()
  showBusy(false)
}

export function showEvent(event: ConnectionEvent): void {
  const said = make('li', undefined, `${new Date().toLocaleTimeString()} ${describe(event)}`)
  element('events').prepend(said)
}

function describe(event: ConnectionEvent): string {
  switch (event.type) {
    case 'device_lost':
      return `${event.deployment}: ${event.provider} lost its device; ${event.answeredBy} answers`
    case 'device_recovered':
      return `${event.deployment}: ${event.provider} answers again after ${ms(event.afterMs)}`
    case 'parity_failed':
      return `${event.deployment}: ${event.provider} is off by ${event.largest.toExponential(1)} and is not used`
    case 'worker_restarted':
      return `a new worker was started: ${event.why}`
  }
}

export function showState(state: ConnectionState): void {
  const colours = ['#1f5fbf', '#2c7a4b', '#8a4fb0', '#b05f1f']
  const parts = Object.entries(state.split).map(([deployment, percent], i) => {
    const part = make('span', undefined, `${deployment} v${state.versions[deployment]} · ${percent} %`)
    part.style.setProperty('--share', String(percent))
    part.style.background = colours[i % colours.length] ?? ''
    return part
  })
  element('split').replaceChildren(...parts)
  const { rows, at, dropped, profiles } = state.reported
  const when = at === undefined ? '' : `, last at ${new Date(at).toLocaleTimeString()}`
  element('reported').textContent =
    `${rows} rows${when}${dropped > 0 ? `, ${dropped} dropped` : ''}.${state.stale ? ' The plan is stale.' : ''}`
  element('counts').replaceChildren(
    ...profiles.flatMap((profile) =>
      Object.entries({ ...profile.counts, ...profile.outputs }).map(([feature, counts]) =>
        histogram(`${profile.deployment} · ${feature}`, counts),
      ),
    ),
  )
}

export function showStatus(text: string, isError = false): void {
  const status = element('status')
  status.textContent = text
  status.toggleAttribute('data-error', isError)
}

export function element(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no element ${id}`)
  return found
}

function histogram(caption: string, counts: readonly number[]): HTMLElement {
  const most = Math.max(1, ...counts)
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', `0 0 ${counts.length} 1`)
  svg.setAttribute('preserveAspectRatio', 'none')
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', `${caption}: ${counts.join(', ')}`)
  counts.forEach((count, i) => {
    const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect')
    bar.setAttribute('x', String(i + 0.1))
    bar.setAttribute('width', '0.8')
    bar.setAttribute('y', String(1 - count / most))
    bar.setAttribute('height', String(count / most))
    svg.append(bar)
  })
  const figure = make('figure')
  figure.append(make('figcaption', undefined, caption), svg)
  return figure
}

function showPairs(list: HTMLElement, pairs: Record<string, string>): void {
  list.replaceChildren(
    ...Object.entries(pairs).flatMap(([name, value]) => [make('dt', undefined, name), make('dd', undefined, value)]),
  )
}

export function make(tag: string, className?: string, text?: string): HTMLElement {
  const made = document.createElement(tag)
  if (className !== undefined) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`
}
