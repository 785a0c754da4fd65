import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { openUnits } from '../../../runtime/assignment/units.ts'
import { plan as planSchema } from '../../../runtime/contract/plan.ts'
import { type TelemetryReport, telemetryReport } from '../../../runtime/contract/telemetry.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { openReporter, type Reporter } from '../../../runtime/telemetry/reporter.ts'
import { openTally, type Source } from '../../../runtime/telemetry/tally.ts'

const plan = planSchema.parse(JSON.parse(readFileSync(new URL('../../contract/plan.json', import.meta.url), 'utf8')))
const source: Source = { deployment: 'blue', version: 1, variant: 'fp32', provider: 'cpu' }
const row = { features: {}, outputs: {} }

describe('reporter', () => {
  let reporter: Reporter | undefined
  afterEach(() => reporter?.close())

  function open(post: (report: TelemetryReport, leaving: boolean) => Promise<void>) {
    const tally = openTally('server')
    const units = openUnits()
    const failures: unknown[] = []
    reporter = openReporter({ plan: () => plan, tally, units, post, failed: (error) => failures.push(error) })
    return { tally, units, failures, reporter }
  }

  test('sends what changed once, in a report that the contract takes', async () => {
    const sent: TelemetryReport[] = []
    const { tally, reporter } = open(async (report) => void sent.push(report))
    tally.answered(source, [row, row], 1)
    expect(await reporter.flush()).toBe(true)
    expect(await reporter.flush()).toBe(true)
    expect(sent.map((report) => report.profiles[0]?.rows)).toEqual([2])
    telemetryReport.parse(sent[0])
  })

  test('says of each report whether the host is about to end', async () => {
    const sent: boolean[] = []
    const { tally, reporter } = open(async (_, leaving) => void sent.push(leaving))
    for (const leaving of [false, true]) {
      tally.answered(source, [row], 1)
      await reporter.flush(leaving)
    }
    expect(sent).toEqual([false, true])
  })

  test('F-31: a draft is what a flush would send, and leaves it to be sent', async () => {
    const sent: TelemetryReport[] = []
    const { tally, units, reporter } = open(async (report) => void sent.push(report))
    expect(await reporter.draft()).toBeUndefined()
    tally.answered(source, [row], 1)
    units.outcome('ada', { accepted: true })
    const draft = await reporter.draft()
    await reporter.flush()
    expect(draft).toEqual({ ...sent[0], seq: 1 })
    expect(sent.map(({ seq }) => seq)).toEqual([2])
    expect(await reporter.draft()).toBeUndefined()
  })

  test('F-31: what came while a report was under way waits once all was sent', async () => {
    const drafts: (TelemetryReport | undefined)[] = []
    const tally = openTally('server')
    let isScoring = true
    reporter = openReporter({
      plan: () => plan,
      tally,
      units: openUnits(),
      async post() {
        if (isScoring) tally.answered(source, [row], 1)
      },
      async flushed() {
        drafts.push(await reporter?.draft())
      },
      failed: () => undefined,
    })
    tally.answered(source, [row], 1)
    await reporter.flush()
    isScoring = false
    await reporter.flush()
    expect(drafts.map((draft) => draft?.profiles[0]?.rows)).toEqual([2, undefined])
  })

  test('F-31: sends again, with a later sequence, what the registry did not take', async () => {
    const sent: TelemetryReport[] = []
    let reachable = false
    const { tally, failures, reporter } = open(async (report) => {
      if (!reachable) throw new Error('unreachable')
      sent.push(report)
    })
    tally.answered(source, [row], 1)
    expect(await reporter.flush()).toBe(false)
    expect(failures).toEqual([new Error('unreachable')])
    reachable = true
    tally.answered(source, [row], 1)
    expect(await reporter.flush()).toBe(true)
    expect(sent.map(({ seq, profiles }) => [seq, profiles[0]?.rows])).toEqual([[2, 2]])
  })

  test('a window that the registry will never take is dropped and counted, and the next one is sent', async () => {
    const sent: TelemetryReport[] = []
    const { tally, failures, reporter } = open(async (report) => {
      if (report.seq === 1) throw new SelvedgeError('TELEMETRY_REFUSED', 'the window is too old')
      sent.push(report)
    })
    tally.answered(source, [row], 1)
    expect(await reporter.flush()).toBe(true)
    expect([failures.length, tally.dropped]).toEqual([1, 1])
    tally.answered(source, [row], 1)
    await reporter.flush()
    expect(sent.map(({ profiles }) => profiles[0]?.rows)).toEqual([1])
  })

  test('outcomes of any size go out in reports under 60 KiB', async () => {
    const sent: TelemetryReport[] = []
    const { units, reporter } = open(async (report) => void sent.push(report))
    const values = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`note ${i}`, 'x'.repeat(256)]))
    for (let i = 0; i < 100; i++) units.outcome(`unit ${i}`, values)
    await reporter.flush()
    expect(sent.flatMap(({ outcomes }) => outcomes)).toHaveLength(100)
    for (const report of sent) expect(JSON.stringify(report).length).toBeLessThan(60 * 1024)
  })

  test('pairs of units go out where they fit beside the counts, and leave where they would pass 60 KiB', async () => {
    const sent: TelemetryReport[] = []
    const { tally, units, reporter } = open(async (report) => void sent.push(report))
    const features = Array.from({ length: 50 }, (_, i) => ({
      name: `feature ${i}`,
      kind: 'numeric' as const,
      edges: Array.from({ length: 64 }, (_, edge) => edge),
      points: [],
      counts: [0, ...Array.from({ length: 63 }, () => 100), 0, 0, 0, 0, 0],
    }))
    const spec = { digest: `sha256:${'0'.repeat(64)}`, document: { features, outputs: [] } }
    const count = (deployment: string) => {
      for (let i = 0; i < 5000; i++) {
        const values = Object.fromEntries(features.map(({ name }, at) => [name, (i * (at + 1)) % 63]))
        tally.answered({ ...source, deployment, spec }, [{ features: values, outputs: {} }], 1, {
          unit: `unit ${i % 500}`,
        })
      }
    }
    for (let i = 0; i < 200; i++) units.outcome(`unit ${i}`, { accepted: true, why: 'x'.repeat(256) })
    for (const deployment of ['blue', 'green', 'red']) {
      count(deployment)
      await reporter.flush()
    }
    const last = (deployments: number) => sent.findLast(({ profiles }) => profiles.length === deployments)
    expect(last(1)?.profiles.map(({ units }) => units?.rows)).toEqual([5000])
    expect(last(3)?.profiles.map(({ units }) => units)).toEqual([undefined, undefined, undefined])
    expect(sent.flatMap(({ outcomes }) => outcomes)).toHaveLength(200)
    for (const report of sent) {
      expect(JSON.stringify(report).length).toBeLessThan(60 * 1024)
      telemetryReport.parse(report)
    }
  })

  test('names a unit by the first 16 bytes of its HMAC alone, and an exposure once a day', async () => {
    const sent: TelemetryReport[] = []
    const { units, reporter } = open(async (report) => void sent.push(report))
    units.exposed('ada@example.org', 'blue', plan)
    units.exposed('ada@example.org', 'blue', plan)
    units.outcome('ada@example.org', { accepted: true })
    await reporter.flush()
    const unit = createHmac('sha256', plan.salt)
      .update('ada@example.org')
      .digest()
      .subarray(0, 16)
      .toString('base64url')
    expect(sent).toMatchObject([
      { exposures: [{ unit, deployment: 'blue' }], outcomes: [{ unit, values: { accepted: true } }], profiles: [] },
    ])
    expect(JSON.stringify(sent)).not.toContain('ada')
    telemetryReport.parse(sent[0])
  })

  test('says with an exposure what the unit was answered, where that was counted', async () => {
    const sent: TelemetryReport[] = []
    const { units, reporter } = open(async (report) => void sent.push(report))
    const prediction = { version: 1, spec: `sha256:${'5'.repeat(64)}`, cells: [1, 17] }
    Object.assign(units.exposed('ada', 'blue', plan) ?? {}, { prediction })
    units.exposed('bob', 'blue', plan)
    await reporter.flush()
    expect(sent[0]?.exposures.map((exposure) => exposure.prediction)).toEqual([prediction, undefined])
    telemetryReport.parse(sent[0])
  })

  test('tells an exposure under the plan that assigned the unit, though a newer one is held since', async () => {
    const sent: TelemetryReport[] = []
    const { units, reporter } = open(async (report) => void sent.push(report))
    const older = { revision: plan.revision - 1, salt: 'digits:0' }
    units.exposed('ada', 'blue', older)
    units.exposed('ada', 'blue', older)
    units.exposed('ada', 'blue', plan)
    await reporter.flush()
    const hashBy = (salt: string) =>
      createHmac('sha256', salt).update('ada').digest().subarray(0, 16).toString('base64url')
    expect(sent[0]).toMatchObject({ revision: plan.revision })
    expect(sent[0]?.exposures.map(({ unit, revision }) => [unit, revision])).toEqual([
      [hashBy('digits:0'), plan.revision - 1],
      [hashBy(plan.salt), undefined],
    ])
    telemetryReport.parse(sent[0])
  })

  test('sends a thousand exposures in reports under 60 KiB, each once', async () => {
    const sent: TelemetryReport[] = []
    const { units, reporter } = open(async (report) => void sent.push(report))
    for (let i = 0; i < 1000; i++) units.exposed(`unit ${i}`, 'blue', plan)
    await reporter.flush()
    expect(new Set(sent.flatMap((report) => report.exposures.map(({ unit }) => unit))).size).toBe(1000)
    for (const report of sent) expect(JSON.stringify(report).length).toBeLessThan(60 * 1024)
  })

  test('events that come after the counts were taken repeat the counts of the window: no report takes them back', async () => {
    const sent: TelemetryReport[] = []
    const { tally, units, reporter } = open(async (report) => void sent.push(report))
    tally.answered(source, [row], 1)
    await reporter.flush()
    units.outcome('ada', { accepted: true })
    await reporter.flush()
    expect(sent.map(({ profiles, outcomes }) => [profiles[0]?.rows, outcomes.length])).toEqual([
      [1, 0],
      [1, 1],
    ])
  })

  test('two flushes at once send nothing twice', async () => {
    const sent: TelemetryReport[] = []
    const { tally, reporter } = open(async (report) => void sent.push(report))
    tally.answered(source, [row], 1)
    await Promise.all([reporter.flush(), reporter.flush(), reporter.flush()])
    expect(sent).toHaveLength(1)
  })
})
