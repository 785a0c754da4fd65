import { chromium } from 'playwright'
import { expect, test } from 'vitest'
import { style } from '../../../registry/console/style.ts'
import { experimentPage } from '../../../registry/experiment/page.ts'
import type { Experiment } from '../../../runtime/contract/experiment.ts'
import { chromiumArguments, chromiumPath } from '../../chromium.ts'

const query = {
  endpoint: 'housing',
  control: 'blue',
  treatment: 'green',
  alpha: 0.05,
  from: '2026-11-24T10:00:00.000Z',
  to: '2026-11-25T10:00:00.000Z',
}
const interval = { value: -0.2512345, low: -0.2636, high: -0.2389 }
const effect = { absolute: interval, relative: interval }
const arm = { units: 1_234_567, told: 123_456, mean: 0.123456 }
const experiment: Experiment = {
  ...query,
  outcome: 'accepted',
  splits: [
    {
      revision: 1_764_000_000_123,
      from: query.from,
      to: query.to,
      shares: { control: 900_000, treatment: 100_000 },
      control: arm,
      treatment: arm,
      newUnits: { blue: 1_234_567, green: 123_456 },
      effect,
    },
  ],
  olderSplits: 0,
  effect,
  sampleRatio: { alarm: false, logEvidence: -3, logThreshold: 6.9 },
  isPart: false,
  looks: [{ at: query.to, units: { control: 1_234_567, treatment: 123_456 }, effect, logEvidence: -3 }],
}

test('the experiment page fits the paper that it is printed on', { timeout: 60_000 }, async () => {
  const document = { ...query, deployments: ['blue', 'green'], told: ['accepted'], asked: undefined }
  const page = await experimentPage({ ...document, experiments: [experiment] })
  const browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: chromiumArguments })
  try {
    const tab = await browser.newPage({ viewport: { width: 700, height: 1000 } })
    await tab.emulateMedia({ media: 'print' })
    await tab.setContent(
      `<!doctype html><html><head><style>${style}</style></head><body><main>${page}</main></body></html>`,
    )
    expect(await tab.evaluate('document.documentElement.scrollWidth')).toBe(700)
  } finally {
    await browser.close()
  }
})
