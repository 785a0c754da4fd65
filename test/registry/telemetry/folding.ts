/** A store with endpoint `e`, whose deployment `blue` serves model `m@1` with the spec, and reports for it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { driftReport } from '../../../registry/monitor/drift.ts'
import { observe } from '../../../registry/monitor/observe.ts'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'
import type { CheckedReport, NewVersion, Store } from '../../../registry/store/store.ts'
import { type Monitor, monitorBody } from '../../../runtime/contract/monitor.ts'
import type { ProfileSpec } from '../../../runtime/contract/profile-spec.ts'
import type { ProfileReport } from '../../../runtime/contract/telemetry.ts'
import { bytesOf, digestOf, linearDescription } from '../fixture.ts'

export const began = Date.parse('2026-11-20T00:00:00Z')
export const hour = 3600_000
export const day = 24 * hour

export const spec: ProfileSpec = {
  features: [
    { name: 'a', kind: 'numeric', edges: [0, 1, 2], points: [], counts: [0, 500, 500, 0, 10, 0, 0, 0] },
    { name: 'b', kind: 'categorical', values: ['x', 'y'], counts: [600, 400, 10, 0, 0] },
  ],
  outputs: [{ name: 'value', kind: 'numeric', edges: [0, 1, 2], points: [], counts: [0, 500, 500, 0, 0, 0, 0, 0] }],
}

const counted = { deployment: 'blue', version: 1, spec: digestOf(JSON.stringify(spec)) }

export interface Told {
  sender: string
  seq: number
  /** ms since 1970. */
  window: number
  /** Rows in the two middle cells of `a` and of the output, and of `b`. */
  cells: [number, number]
  provider?: ProfileReport['provider']
  tier?: CheckedReport['tier']
}

export function reportOf({ sender, seq, window, cells, provider = 'wasm', tier = 'trusted' }: Told): CheckedReport {
  const [low, high] = cells
  const start = new Date(window).toISOString()
  return {
    sender: sender.padStart(22, '0'),
    seq,
    window: start,
    endpoint: 'e',
    revision: 1,
    receivedAt: start,
    tier,
    profiles: [
      {
        ...counted,
        variant: 'fp32',
        provider,
        device: 'desktop',
        rows: low + high,
        counts: { a: [0, low, high, 0, 0, 0, 0, 0], b: [low, high, 0, 0, 0] },
        outputs: { value: [0, low, high, 0, 0, 0, 0, 0] },
        latency: new Array(33).fill(0),
        errors: {},
      },
    ],
    exposures: [],
    outcomes: [],
  }
}

export interface Folding extends AsyncDisposable {
  store: Store
  /** The report of a monitor at a moment, from what is folded and what is not. */
  report(at: number, changes?: Record<string, unknown>): ReturnType<typeof driftReport>
}

export async function openFolding(): Promise<Folding> {
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-folding-'))
  const store = openSqliteStore(join(folder, 'registry.db'))
  await store.models.registerVersion(version, new Date(began).toISOString())
  await store.endpoints.create('e', began)
  await store.endpoints.change('e', began, (state) => ({
    ...state,
    deployments: [{ name: 'blue', model: 'm', version: 1, createdAt: new Date(began).toISOString() }],
  }))
  return {
    store,
    async report(at, changes = {}) {
      const monitor: Monitor = { name: 'default', ...monitorBody.parse({ season: 'none', ...changes }) }
      const seen = await observe(store, { endpoint: 'e', counted, spec, monitor, deployedAt: began, at })
      return await driftReport({ endpoint: 'e', monitor, counted, spec, ...seen, now: at })
    },
    async [Symbol.asyncDispose]() {
      await store.close()
      await rm(folder, { recursive: true })
    },
  }
}

const version: NewVersion = {
  model: 'm',
  manifest: { digest: digestOf('m'), mediaType: 'application/x', bytes: bytesOf('m'), blobs: [], children: [] },
  target: { version: 1 },
  facts: {
    sizeBytes: 10,
    tags: {},
    description: linearDescription as NewVersion['facts']['description'],
    hasProfile: true,
    hasGolden: false,
    spec: { digest: counted.spec, spec },
    plan: {
      description: digestOf('d'),
      spec: counted.spec,
      variants: [{ id: 'fp32', providers: ['wasm'], files: [] }],
    },
  },
}
