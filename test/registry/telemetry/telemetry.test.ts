import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { linearSpec, sendJson } from '../fixture.ts'
import { openCounting, post, profile, report, sums } from './reporting.ts'

describe('a report', () => {
  test('is counted, with the spec that it was counted against', async () => {
    await using fixture = await openCounting()
    expect(await (await post(fixture, report())).json()).toEqual({ counted: true })
    expect(await sums(fixture)).toEqual([{ ...profile(), tier: 'trusted', senders: 1, baseline: linearSpec }])
  })

  test('counts once, whether it comes again, late or replaced by a later one', async () => {
    await using fixture = await openCounting()
    const counted = async (body: TelemetryReport) =>
      ((await (await post(fixture, body)).json()) as { counted: boolean }).counted
    expect(await counted(report({ seq: 3 }))).toBe(true)
    expect(await counted(report({ seq: 3 }))).toBe(false)
    expect(await counted(report({ seq: 2, profiles: [profile({ rows: 2 })] }))).toBe(false)
    expect(await sums(fixture)).toMatchObject([{ rows: 3 }])
    expect(await counted(report({ seq: 4, profiles: [profile({ rows: 9 })] }))).toBe(true)
    expect(await sums(fixture)).toMatchObject([{ rows: 9, senders: 1 }])
  })

  test('survives a restart once it was acknowledged', async () => {
    await using fixture = await openCounting()
    await post(fixture, report())
    await fixture.restart()
    expect(await (await post(fixture, report())).json()).toEqual({ counted: false })
    expect(await sums(fixture)).toMatchObject([{ rows: 3 }])
  })

  test('sums are those of the last report of each sender and window, in any order and with repeats', async () => {
    const count = fc.nat({ max: 1000 })
    const message = fc.record({
      sender: fc.constantFrom('a', 'b', 'c'),
      window: fc.constantFrom('2026-11-24T09:58:00Z', '2026-11-24T09:59:00Z'),
      seq: fc.integer({ min: 1, max: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(message, { selector: ({ sender, window, seq }) => `${sender}${window}${seq}`, maxLength: 12 }),
        fc.array(count, { minLength: 24, maxLength: 24 }),
        fc.array(fc.nat(), { minLength: 24, maxLength: 24 }),
        async (messages, counts, order) => {
          await using fixture = await openCounting()
          const reports = messages.map(({ sender, window, seq }, i) => {
            const low = counts[i] ?? 0
            const high = counts[i + 12] ?? 0
            const rows = low + high
            return report({
              sender: sender.repeat(22),
              window,
              seq,
              profiles: [
                profile({
                  rows,
                  counts: { a: [low, high, 0, 0, 0, 0], b: [rows, 0, 0, 0, 0] },
                  outputs: { value: [rows, 0, 0, 0, 0] },
                }),
              ],
            })
          })
          const last = new Map<string, TelemetryReport>()
          for (const each of [...reports].sort((a, b) => a.seq - b.seq)) last.set(each.sender + each.window, each)
          const want = [0, 0]
          for (const { profiles } of last.values()) {
            want[0] = (want[0] ?? 0) + (profiles[0]?.counts.a?.[0] ?? 0)
            want[1] = (want[1] ?? 0) + (profiles[0]?.counts.a?.[1] ?? 0)
          }
          const sent = [...reports, ...reports]
            .map((each, i) => ({ each, key: order[i % order.length] ?? 0 }))
            .sort((a, b) => a.key - b.key)
          await Promise.all(sent.map(({ each }) => post(fixture, each)))
          const [sum] = (await sums(fixture)) as { counts: Record<string, number[]>; senders: number }[]
          expect(sum?.counts.a ?? [0, 0, 0, 0, 0, 0]).toEqual([...want, 0, 0, 0, 0])
          expect(sum?.senders ?? 0).toBe(new Set(messages.map(({ sender }) => sender)).size)
        },
      ),
      { numRuns: 15 },
    )
  })

  test('sums are kept apart by deployment, provider and device, and by window', async () => {
    await using fixture = await openCounting()
    const profiles = [
      profile(),
      profile({ provider: 'cpu', device: 'server' }),
      profile({ deployment: 'green', version: 2 }),
    ]
    await post(fixture, report({ profiles }))
    await post(fixture, report({ window: '2026-11-24T09:00:00Z', profiles: [profile()] }))
    expect(await sums(fixture)).toMatchObject([
      { deployment: 'blue', provider: 'cpu', rows: 3 },
      { deployment: 'blue', provider: 'wasm', rows: 6 },
      { deployment: 'green', provider: 'wasm', rows: 3 },
    ])
    expect(await sums(fixture, '?since=2026-11-24T09:30:00Z')).toMatchObject([{ rows: 3 }, { rows: 3 }, { rows: 3 }])
  })
})

test('counts of a version that a deployment no longer has are still taken', async () => {
  await using fixture = await openCounting()
  await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version: 2 })
  expect((await post(fixture, report())).status).toBe(200)
  expect((await post(fixture, report({ seq: 2, profiles: [profile({ version: 2 })] }))).status).toBe(200)
})
