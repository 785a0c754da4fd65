/** What the contracts of a store share: a moment, a version, a report. */
import type { CheckedReport, NewVersion, Store } from '../../../registry/store/store.ts'
import { bytesOf, digestOf, linearDescription, linearSpec } from '../fixture.ts'

export interface OpenStore extends AsyncDisposable {
  store: Store
  /** Closes the store and opens it over the same data. */
  reopen(): Promise<Store>
}

export const day = '2026-11-24T10:00:00.000Z'
export const now = Date.parse(day)
export const spec = digestOf(JSON.stringify(linearSpec))

export function version(text: string, target: NewVersion['target']): NewVersion {
  return {
    model: 'm',
    manifest: { digest: digestOf(text), mediaType: 'application/x', bytes: bytesOf(text), blobs: [], children: [] },
    target,
    facts: {
      sizeBytes: 10,
      tags: { team: 'risk' },
      why: 'because',
      description: linearDescription as NewVersion['facts']['description'],
      hasProfile: true,
      hasGolden: false,
      spec: { digest: spec, spec: linearSpec as NonNullable<NewVersion['facts']['spec']>['spec'] },
      plan: { description: digestOf('d'), spec, variants: [{ id: 'fp32', providers: ['wasm'], files: [] }] },
    },
  }
}

export function report(sender: string, seq: number, rows: number): CheckedReport {
  return {
    sender: sender.repeat(22),
    seq,
    window: day,
    endpoint: 'e',
    revision: now,
    receivedAt: day,
    tier: 'trusted',
    exposures: [],
    outcomes: [],
    profiles: [
      {
        deployment: 'blue',
        version: 1,
        variant: 'fp32',
        provider: 'wasm',
        device: 'desktop',
        spec,
        rows,
        counts: { a: [rows, 0, 0, 0, 0, 0], b: [rows, 0, 0, 0, 0] },
        outputs: { value: [rows, 0, 0, 0, 0] },
        latency: new Array(33).fill(0),
        errors: { RUN_FAILED: rows },
      },
    ],
  }
}
