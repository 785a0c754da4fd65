/** Performance of the days behind a report: measured where outcomes came, estimated where the baseline had some. */
import { html } from 'hono/html'
import type { DriftDocument } from '../../runtime/contract/drift-document.ts'
import type { PerformanceWindow } from '../../runtime/contract/performance.ts'
import { formatCount } from '../console/format.ts'
import type { Html } from '../console/page.ts'

export function performanceSection(windows: DriftDocument['performance']): Html | string {
  if (windows.length === 0) return ''
  const columns = measures.filter(({ of }) => windows.some((window) => of(window) !== undefined))
  return html`<h2>Performance</h2>
<div class="scroll" role="region" tabindex="0" aria-label="Performance"><table><caption>By UTC day, with intervals at ${(windows[0]?.level ?? 0) * 100} %. Estimates are from scores alone and hold if the concept did not change.</caption>
<thead><tr><th scope="col">Day</th><th scope="col" class="number">Outcomes</th>${columns.map(({ title }) => html`<th scope="col" class="number">${title}</th>`)}</tr></thead>
<tbody>${windows.map(
    (window) =>
      html`<tr><th scope="row"><time>${window.from.slice(0, 10)}</time></th><td class="number">${formatCount(outcomesOf(window))}</td>${columns.map(({ of }) => html`<td class="number">${estimateText(of(window))}</td>`)}</tr>`,
  )}</tbody></table></div>`
}

/** The same of one block. */
export function measuredTable(measured: Measured): Html | string {
  const found = measures.flatMap(({ title, of }) => {
    const estimate = of({ measured })
    return estimate === undefined ? [] : [{ title, estimate }]
  })
  if (found.length === 0) return ''
  return html`<h2>Measured</h2>
<div class="scroll" role="region" tabindex="0" aria-label="Measured"><table><caption>Of the units that the verdict rests on, with intervals at 95 %; shown beside it, they decide nothing</caption>
<thead><tr><th scope="col">Metric</th><th scope="col" class="number">Value</th></tr></thead>
<tbody>${found.map(({ title, estimate }) => html`<tr><th scope="row">${title}</th><td class="number">${estimateText(estimate)}</td></tr>`)}</tbody></table></div>`
}

interface Estimate {
  value: number
  low?: number
  high?: number
}

type Measured = NonNullable<PerformanceWindow['measured']>

const measures: readonly {
  title: string
  of(window: Pick<PerformanceWindow, 'measured' | 'estimated'>): Estimate | undefined
}[] = [
  { title: 'Accuracy', of: ({ measured }) => measured?.binary?.accuracy ?? measured?.classes?.accuracy },
  { title: 'Precision', of: ({ measured }) => measured?.binary?.precision ?? macro(measured?.classes?.macroPrecision) },
  { title: 'Recall', of: ({ measured }) => measured?.binary?.recall ?? macro(measured?.classes?.macroRecall) },
  { title: 'AUC', of: ({ measured }) => measured?.binary?.auc },
  { title: 'Log loss', of: ({ measured }) => measured?.binary?.logLoss },
  { title: 'MAE', of: ({ measured }) => measured?.regression?.mae },
  { title: 'RMSE', of: ({ measured }) => measured?.regression?.rmse },
  { title: 'Estimated accuracy', of: ({ estimated }) => estimated?.accuracy },
]

function macro(value: number | undefined): Estimate | undefined {
  return value === undefined ? undefined : { value }
}

function outcomesOf({ measured }: { measured?: Measured | undefined }): number {
  return measured?.binary?.rows ?? measured?.classes?.rows ?? measured?.regression?.rows ?? 0
}

function estimateText(estimate: Estimate | undefined): Html | string {
  if (estimate === undefined) return ''
  const { value, low, high } = estimate
  if (low === undefined || high === undefined) return value.toFixed(3)
  return html`${value.toFixed(3)} <small>${low.toFixed(3)} to ${high.toFixed(3)}</small>`
}
