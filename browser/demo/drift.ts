/** The demo page's panel of drift: rows of a baseline scored again and again, one of their features shifted by a slider. */
import type { DriftReport, FeatureDrift } from '../../runtime/contract/monitor.ts'
import { tens, verdictWords } from '../../runtime/drift/words.ts'
import { proven } from '../../runtime/monitor.ts'
import { connect, type PageConnection } from '../client.ts'
import { element, make } from './panel.ts'
import { pause, readJson } from './registry.ts'

const endpoint = 'penguins'
const shifted = 'body_mass_g'
/** Of scoring: some tens of rows a second. */
const rowEveryMs = 30
const askEveryMs = 2000

type Row = Readonly<Record<string, unknown>>

/** @param key - that plans are signed with */
export function openDriftPanel(key: () => Promise<string | readonly string[]>): void {
  const button = element('drift-run')
  const slider = element('drift-shift') as HTMLInputElement
  let penguins: PageConnection | undefined
  let running = false
  let scored = 0

  slider.addEventListener('input', showShift)
  button.addEventListener('click', () => void toggle())
  showShift()

  function showShift(): void {
    element('drift-by').textContent = `${Number(slider.value).toFixed(1)} standard deviations`
  }

  async function toggle(): Promise<void> {
    running = !running
    button.setAttribute('aria-pressed', String(running))
    if (!running) return
    try {
      const rows = await readRows()
      // Without a token: on the registry's own machine the page is a host that is known, whose word on units counts.
      penguins ??= await connect(location.origin, endpoint, { key: await key() })
      await Promise.all([scoreRows(penguins, rows), ask()])
    } catch (error) {
      running = false
      button.setAttribute('aria-pressed', 'false')
      element('drift-said').textContent = error instanceof Error ? error.message : String(error)
    }
  }

  // Each row is a unit by itself, as if each came from a visitor of its own.
  async function scoreRows(connection: PageConnection, rows: readonly Row[]): Promise<void> {
    const deviation = deviationOf(rows)
    while (running) {
      const row = rows[Math.floor(Math.random() * rows.length)] ?? {}
      const value = row[shifted]
      const moved = typeof value === 'number' ? value + Number(slider.value) * deviation : value
      await connection.score({ ...row, [shifted]: moved }, { unit: crypto.randomUUID() })
      element('drift-rows').textContent = String(++scored)
      await pause(rowEveryMs)
    }
  }

  async function ask(): Promise<void> {
    while (running) {
      // Made again in this page from the counts, as `selvedge why` does.
      show(proven(await readReport()))
      await pause(askEveryMs)
    }
  }
}

async function readReport(): Promise<DriftReport> {
  return await readJson<DriftReport>(`/api/v1/endpoints/${endpoint}/drift`)
}

function show({ verdict, rows, features, outputs }: DriftReport): void {
  const all = [...features, ...outputs]
  const own = all.find(({ name }) => name === shifted)
  const said = element('drift-verdict')
  said.dataset.verdict = own?.verdict ?? 'insufficient'
  said.textContent = own === undefined ? '' : `${shifted}: ${verdictWords[own.verdict]}`
  const others = all.filter((each) => each.name !== shifted && each.verdict === 'drift').map(({ name }) => name)
  const also = others.length > 0 ? ` Also drifting: ${others.join(', ')}.` : ''
  element('drift-said').textContent =
    `All together: ${verdictWords[verdict]}, from ${rows} rows at the registry; made again here from their counts.${also}`
  element('drift-numbers').replaceChildren(...(own === undefined ? [] : numbersOf(own)))
}

function numbersOf({ clusters, logEvidence, logThreshold, directions, lack }: FeatureDrift): HTMLElement[] {
  const location = directions.find(({ name }) => name === 'location')
  const pairs = {
    evidence: `10^${tens(logEvidence)}, an alarm needs 10^${tens(logThreshold)}`,
    ...(location && {
      moved: `${location.mean.toFixed(2)} ± ${location.radius?.toFixed(2) ?? '∞'} standard deviations, limit ${location.limit}`,
    }),
    units: String(clusters),
    ...(lack && { lacks: `${lack.count} ${lack.what}` }),
  }
  return Object.entries(pairs).flatMap(([name, value]) => [make('dt', undefined, name), make('dd', undefined, value)])
}

/** The rows of the baseline, which are a file of the version. */
async function readRows(): Promise<Row[]> {
  const { version } = await readReport()
  const manifest = await readJson<{ layers: { digest: string; annotations?: Record<string, string> }[] }>(
    `/v2/${endpoint}/manifests/${version}`,
  )
  const file = manifest.layers.find(
    ({ annotations }) => annotations?.['org.cncf.model.filepath'] === 'penguins-rows.json',
  )
  if (file === undefined) throw new Error(`version ${version} of ${endpoint} has no rows to score`)
  return await readJson<Row[]>(`/v2/${endpoint}/blobs/${file.digest}`)
}

function deviationOf(rows: readonly Row[]): number {
  const values = rows.map((row) => row[shifted]).filter((value) => typeof value === 'number')
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
}
