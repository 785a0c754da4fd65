import { describe, expect, test } from 'vitest'
import type { Experiment } from '../../../runtime/contract/experiment.ts'
import { renderExperiment } from '../../../server/cli/experiment.ts'
import { startRegistry } from '../fixtures/registry.ts'
import { runCommand } from './command.ts'

const found: Experiment = {
  endpoint: 'e',
  outcome: 'bought',
  control: 'blue',
  treatment: 'green',
  alpha: 0.05,
  from: '2026-11-24T10:00:00.000Z',
  to: '2026-11-25T10:00:00.000Z',
  splits: [
    {
      revision: 1764000000123,
      from: '2026-11-24T10:01:00.000Z',
      to: '2026-11-25T10:00:00.000Z',
      shares: { control: 900_000, treatment: 100_000 },
      control: { units: 9000, told: 1800, mean: 0.2 },
      treatment: { units: 1000, told: 250, mean: 0.25 },
      newUnits: { blue: 9000, green: 1000 },
    },
  ],
  olderSplits: 0,
  effect: { absolute: { value: 0.05, low: 0.0123, high: 0.0877 }, relative: { value: 0.25, low: 0.061, high: 0.44 } },
  sampleRatio: { alarm: false, logEvidence: -3, logThreshold: 6.9 },
  isPart: false,
  looks: [],
}

describe('selvedge experiment', () => {
  test('shows arms, effect and what it is worth', () => {
    const text = renderExperiment(found)
    expect(text).toMatch(/2026-11-24T10:01Z green +10 % +1000 +250 +0.25/)
    expect(text).toContain('green less blue: 0.05 (0.0123 to 0.0877), 25 % (6.1 to 44); 95 % at every look.\n')
  })

  test('says when units did not come in their shares, and when there is no effect yet', () => {
    const { effect: _, ...rest } = found
    const sampleRatio = { ...found.sampleRatio, alarm: true }
    const text = renderExperiment({ ...rest, isPart: true, olderSplits: 7, sampleRatio })
    expect(text).toContain('No effect can be told yet')
    expect(text).toContain('do not believe')
    expect(text).toContain('a random part')
    expect(text).toContain('left out: 7')
  })

  test('asks the registry for the two deployments that there are', { timeout: 30_000 }, async () => {
    await using registry = await startRegistry()
    const env = { SELVEDGE_REGISTRY: registry.url }
    const none = await runCommand(['experiment', 'e', '--outcome', 'bought'], { env })
    const [said, page] = none.stdout.split('\n')
    expect(said).toBe('blue and green never had traffic at once.')
    expect((await fetch(page?.replace('From look to look: ', '') ?? '')).status).toBe(200)
    await registry.moveTraffic({ blue: 50, green: 50 })
    const { stdout } = await runCommand(['experiment', 'e', '--outcome', 'bought'], { env })
    expect(stdout).toContain('No effect can be told yet')
  })
})
