/** What a try of one candidate shows. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { candidatesOf } from '../../../runtime/delivery/candidates.ts'
import { openNodeSession } from '../../../runtime/providers/node.ts'
import { tryCandidate } from '../../../runtime/scoring/choice.ts'
import { openQueue } from '../../../runtime/scoring/queue.ts'
import { scaleDescription, scaleModel } from '../../fixtures/models.ts'

const golden = {
  tolerance: 1e-6,
  samples: [
    {
      inputs: [{ name: 'x', datatype: 'FP32' as const, shape: [1, 2], data: [1, 2] }],
      outputs: [{ name: 'y', datatype: 'FP32' as const, shape: [1, 2], data: [3, 6] }],
    },
  ],
}

describe('a candidate that is tried', () => {
  afterEach(() => vi.restoreAllMocks())

  test('has a time though its runs are shorter than a tick of the clock', async () => {
    const [candidate] = candidatesOf({ variants: [{ id: 'fp32', providers: ['wasm'], files: [] }] }, ['wasm'])
    if (candidate === undefined) throw new Error('there is no candidate')
    const session = await openNodeSession({ network: scaleModel(3), externalData: [] }, 'wasm')
    const now = performance.now.bind(performance)
    vi.spyOn(performance, 'now').mockImplementation(() => Math.floor(now()))
    const { medianMs } = await tryCandidate(candidate, session, golden, scaleDescription, openQueue())
    expect(medianMs).toBeGreaterThan(0)
    expect(medianMs).toBeLessThan(2)
    await session.close()
  })
})
