import { deleteDB } from 'idb'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Outbox, openOutbox } from '../../../browser/state/outbox.ts'
import { openPageState, type PageState } from '../../../browser/state/state.ts'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { report } from './report.ts'

const [first, second, third] = ['10:00', '10:01', '10:02'].map((time, i) =>
  report(`2026-11-24T${time}:00.000Z`, i + 1),
) as [TelemetryReport, TelemetryReport, TelemetryReport]
const unreachable = new SelvedgeError('REGISTRY_UNREACHABLE', 'no answer')
const refused = new SelvedgeError('TELEMETRY_REFUSED', 'answered 422')

describe('reports of a page on their way', () => {
  let state: PageState
  let sent: number[]
  let failures: unknown[]
  let answer: (report: TelemetryReport) => SelvedgeError | undefined
  let outbox: Outbox

  const waiting = async () => (await state.waitingReports('https://a', 'digits')).map(({ seq }) => seq)

  beforeEach(async () => {
    sent = []
    failures = []
    answer = () => undefined
    state = await openPageState((error) => failures.push(error))
    outbox = openOutbox({
      state,
      registry: 'https://a',
      endpoint: 'digits',
      async send(report) {
        const error = answer(report)
        if (error !== undefined) throw error
        sent.push(report.seq)
      },
      failed: (error) => failures.push(error),
    })
  })
  afterEach(async () => {
    state.close()
    await deleteDB('selvedge-state')
  })

  test('F-31: a report is kept before it is sent, and forgotten once it was taken', async () => {
    let whileSent: number[] = []
    const keeping = openOutbox({
      state,
      registry: 'https://a',
      endpoint: 'digits',
      send: async () => {
        whileSent = await waiting()
      },
      failed: (error) => failures.push(error),
    })
    await keeping.post(first)
    expect(whileSent).toEqual([1])
    expect(await waiting()).toEqual([])
  })

  test('a report that could not be sent waits; one that was refused for good does not', async () => {
    answer = ({ seq }) => (seq === 1 ? unreachable : refused)
    await expect(outbox.post(first)).rejects.toBe(unreachable)
    await expect(outbox.post(second)).rejects.toBe(refused)
    expect(await waiting()).toEqual([1])
  })

  test('F-30: what earlier visits left is sent, what is refused for good is dropped, the rest waits on', async () => {
    for (const each of [first, second, third]) await state.keepReport('https://a', each)
    answer = ({ seq }) => [undefined, refused, unreachable][seq - 1]
    await outbox.sendWaiting()
    expect(sent).toEqual([1])
    expect(failures).toEqual([refused, unreachable])
    expect(await waiting()).toEqual([3])
  })

  test('F-30: what waits goes behind the first report that the registry takes again', async () => {
    await state.keepReport('https://a', first)
    answer = () => unreachable
    await outbox.sendWaiting()
    await expect(outbox.post(second)).rejects.toBe(unreachable)
    answer = () => undefined
    await outbox.post(third)
    await vi.waitFor(async () => expect(await waiting()).toEqual([]))
    expect(sent).toEqual([3, 1, 2])
  })

  test('never sends what waits for another registry or endpoint', async () => {
    await state.keepReport('https://b', first)
    await state.keepReport('https://a', { ...second, endpoint: 'housing' })
    await outbox.sendWaiting()
    expect(sent).toEqual([])
    expect(await state.waitingReports('https://b', 'digits')).toEqual([first])
  })
})
