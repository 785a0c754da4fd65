import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readEvidence } from '../../../registry/rollouts/evidence.ts'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'
import type { Store } from '../../../registry/store/store.ts'
import { rolloutBody } from '../../../runtime/contract/rollout.ts'
import { day, now, report } from '../store/fixture.ts'

const half: [string, number, number][] = [
  ['blue', 0, 500_000],
  ['green', 500_000, 1_000_000],
]

test('units that came after the last outcome that is read are not taken for silent ones', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-evidence-'))
  const store = openSqliteStore(join(folder, 'registry.db'))
  try {
    const rollout = await begin(store)
    const early = unitsOf('a', '2026-11-24T10:01:00.000Z')
    const late = unitsOf('b', '2026-11-24T10:03:00.000Z')
    const outcomes = early.map(({ unit }) => ({ unit, at: '2026-11-24T10:02:00.000Z', values: { ok: true } }))
    await store.telemetry.fold([
      { ...report('s', 1, 0), revision: rollout.revision, exposures: [...early, ...late], outcomes },
    ])
    const state = await store.endpoints.endpoint('e')
    if (state === undefined) throw new Error('no endpoint')
    const evidence = await readEvidence(endless(store), rollout, state, now + 600_000)
    expect(evidence.guards[0]?.comparisons[0]).toMatchObject({
      green: { clusters: 40, mean: 0 },
      blue: { clusters: 40, mean: 0 },
    })
  } finally {
    await store.close()
    await rm(folder, { recursive: true })
  }
})

/** More outcomes at 10:02 than anyone reads. */
function endless(store: Store): Store {
  const next = { at: '2026-11-24T10:02:00.000Z', unit: '' }
  return {
    ...store,
    rollouts: {
      ...store.rollouts,
      outcomes: async (endpoint, page) => ({ told: (await store.rollouts.outcomes(endpoint, page)).told, next }),
    },
  }
}

async function begin(store: Store) {
  await store.endpoints.create('e', now)
  return await store.rollouts.start('e', now, () => ({
    body: rolloutBody.parse({
      deployment: 'green',
      steps: [50, 100],
      guards: [{ metric: 'outcome', name: 'ok', margin: 0.05 }],
    }),
    advice: { steps: [], text: '' },
    split: { scheme: 'murmur3-ppm-1', salt: 'e:1', ranges: half },
    holds: ['blue', 'green'],
    entry: { at: day, action: 'started', percent: 50 },
  }))
}

function unitsOf(name: string, at: string) {
  return Array.from({ length: 80 }, (_, i) => ({ unit: `${name}${i}`, deployment: i % 2 ? 'green' : 'blue', at }))
}
