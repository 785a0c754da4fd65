import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { bucket } from '../../../runtime/assignment/schemes.ts'
import { type Plan, type PlanDeployment, plan as planSchema } from '../../../runtime/contract/plan.ts'
import { openNodeSession } from '../../../runtime/providers/node.ts'
import { openQueue } from '../../../runtime/scoring/queue.ts'
import { openScorer, type Scorer } from '../../../runtime/scoring/scorer.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'
import { scaleDescription, scaleModel } from '../../fixtures/models.ts'

const base: Plan = planSchema.parse(
  JSON.parse(readFileSync(new URL('../../contract/plan.json', import.meta.url), 'utf8')),
)

function deployment(name: string, version: number): PlanDeployment {
  const [first] = base.deployments
  if (first === undefined) throw new Error('the golden plan has no deployment')
  const { spec: _spec, golden: _golden, ...rest } = first
  return { ...rest, name, version, manifest: `sha256:${String(version).padStart(64, '0')}` }
}

/** Blue answers with x · 1; green, which shadows it, would answer with x · 3. */
describe('a shadow', () => {
  let scorer: Scorer

  async function open(ppm: number, shadowRestMs = 0, openSession = openNodeSession): Promise<void> {
    const queue = openQueue()
    scorer = openScorer({
      openSession,
      providers: ['wasm'],
      device: 'server',
      queueOf: () => queue,
      shadowRestMs,
    })
    const deployments = [deployment('blue', 1), deployment('green', 2)]
    const plan: Plan = { ...base, deployments, ranges: [['blue', 0, 1e6]], shadow: { deployment: 'green', ppm } }
    const loaded = deployments.map((each, i) => ({
      deployment: each,
      description: scaleDescription,
      variant: { id: 'fp32', providers: ['wasm' as const], files: [] },
      bytes: { network: scaleModel(1 + 2 * i), externalData: [] },
    }))
    await scorer.serve(plan, loaded)
  }

  const infer = async (unit?: string) => {
    const inputs = { x: createTensor('FP32', [1, 2], Float32Array.of(1, 2)) }
    return await scorer.infer({ inputs }, scorer.choose({ unit }))
  }

  const shadows = () => scorer.tally.current().shadows ?? []

  afterEach(() => scorer.close())

  test('is asked the same after the answer, and only how far it is from it is counted', async () => {
    await open(1e6)
    const { deployment, outputs } = await infer()
    expect([deployment, outputs.y?.data]).toEqual(['blue', Float32Array.of(1, 2)])
    await vi.waitFor(() => expect(shadows()[0]?.rows).toBe(1))
    expect(shadows()).toMatchObject([
      {
        deployment: 'green',
        version: 2,
        against: { deployment: 'blue', version: 1 },
        // |2 · 3 - 2| = 4.
        differenceMillionths: 4_000_000,
        skipped: 0,
      },
    ])
    expect(scorer.tally.current().profiles.map((each) => each.deployment)).toEqual(['blue'])
  })

  test('tells when it is over, and when it was skipped', async () => {
    await open(1e6)
    await infer()
    await scorer.shadowed()
    expect(shadows()[0]).toMatchObject({ rows: 1, skipped: 0 })
    await infer()
    const skipped = scorer.shadowed()
    await infer()
    await skipped
    expect(shadows()[0]).toMatchObject({ rows: 1, skipped: 1 })
    await scorer.shadowed()
    expect(shadows()[0]).toMatchObject({ rows: 2, skipped: 1 })
  })

  test('is not asked while other requests come: those are counted as skipped', async () => {
    await open(1e6)
    await Promise.all(Array.from({ length: 20 }, () => infer()))
    await vi.waitFor(() => expect(shadows()[0]?.rows).toBe(1))
    expect(shadows()[0]?.skipped).toBe(19)
  })

  test('waits until nobody asked for a while', async () => {
    await open(1e6, 20)
    await infer()
    await infer()
    expect(shadows()).toMatchObject([{ rows: 0, skipped: 1 }])
    await vi.waitFor(() => expect(shadows()).toMatchObject([{ rows: 1, skipped: 1 }]))
  })

  test('is not asked again until requests that met one are 2 % at most', async () => {
    let met: Promise<unknown> | undefined
    let isServing = false
    const green = scaleModel(3)
    await open(1e6, 0, async (bytes, provider) => {
      const session = await openNodeSession(bytes, provider)
      if (Buffer.compare(bytes.network, green) !== 0) return session
      return {
        ...session,
        run(...call) {
          if (isServing) met ??= infer()
          return session.run(...call)
        },
      }
    })
    isServing = true
    const counted = () => {
      const [{ rows, skipped } = { rows: 0, skipped: 0 }] = shadows()
      return { rows, skipped }
    }
    await infer()
    await vi.waitFor(() => expect(counted().rows).toBe(1))
    await met
    for (let i = 0; i < 47; i++) await infer()
    expect(counted()).toEqual({ rows: 1, skipped: 48 })
    await infer()
    await vi.waitFor(() => expect(counted().rows).toBe(2))
  })

  test('is for the share of units that the plan says, by a salt of its own', async () => {
    await open(300_000)
    const units = Array.from({ length: 30 }, (_, i) => `unit ${i}`)
    for (const unit of units) await infer(unit)
    const wanted = units.filter((unit) => bucket(`${base.salt}:shadow`, unit) < 300_000).length
    await vi.waitFor(() => {
      const [counts] = shadows()
      expect((counts?.rows ?? 0) + (counts?.skipped ?? 0)).toBe(wanted)
    })
  })
})
