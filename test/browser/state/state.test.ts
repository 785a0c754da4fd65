import { deleteDB } from 'idb'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openPageState, type PageState } from '../../../browser/state/state.ts'
import { report } from './report.ts'

const minute = (n: number) => new Date(Date.UTC(2026, 10, 24, 10, n)).toISOString()

describe('state of a page from visit to visit', () => {
  let failures: unknown[]
  let state: PageState

  beforeEach(async () => {
    failures = []
    state = await openPageState((error) => failures.push(error))
  })
  afterEach(async () => {
    state.close()
    await deleteDB('selvedge-state')
  })

  test('keeps the newest plan of each endpoint of each registry', async () => {
    await state.keepPlan('https://a', 'digits', 'first')
    await state.keepPlan('https://a', 'digits', 'second')
    expect(await state.plan('https://a', 'digits')).toBe('second')
    expect(await state.plan('https://b', 'digits')).toBeUndefined()
    expect(await state.plan('https://a', 'digits/2')).toBeUndefined()
  })

  test('a later report of a window replaces the one that waits; one that was taken is forgotten', async () => {
    await state.keepReport('https://a', report(minute(0), 1))
    await state.keepReport('https://a', report(minute(0), 2))
    await state.keepReport('https://a', report(minute(1), 3))
    expect(await seqs('https://a')).toEqual([2, 3])
    await state.forgetReport('https://a', report(minute(0), 2))
    expect(await seqs('https://a')).toEqual([3])
  })

  test('a report that another tab put in the place of the one that was taken stays', async () => {
    await state.keepReport('https://a', report(minute(0), 1))
    const other = await openPageState((error) => failures.push(error))
    await other.keepReport('https://a', report(minute(0), 2))
    await state.forgetReport('https://a', report(minute(0), 1))
    expect(await seqs('https://a')).toEqual([2])
    other.close()
  })

  test('reports wait for their own registry and endpoint alone', async () => {
    await state.keepReport('https://a', report(minute(0), 1))
    await state.keepReport('https://b', report(minute(0), 2))
    await state.keepReport('https://a', { ...report(minute(0), 3), endpoint: 'housing' })
    expect(await seqs('https://a')).toEqual([1])
    expect(await seqs('https://b')).toEqual([2])
    expect(await seqs('https://a', 'housing')).toEqual([3])
  })

  test('F-30: keeps at most 200 reports, the newest, and counts those that gave way', async () => {
    await state.keepReport('https://b', report(minute(0), 1))
    for (let i = 1; i <= 202; i++) await state.keepReport('https://a', report(minute(i), i))
    expect(await seqs('https://b')).toEqual([])
    expect((await seqs('https://a')).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i + 3))
    expect(await state.droppedReports('https://a', 'digits')).toBe(2)
    expect(await state.droppedReports('https://b', 'digits')).toBe(1)
    expect(failures).toEqual([])
  })

  test('F-28: a database that ends meanwhile fails nobody, and says so', async () => {
    state.close()
    await state.keepPlan('https://a', 'digits', 'plan')
    await state.keepReport('https://a', report(minute(0), 1))
    expect(await state.plan('https://a', 'digits')).toBeUndefined()
    expect(await state.waitingReports('https://a', 'digits')).toEqual([])
    expect(failures).toHaveLength(4)
  })

  test('F-28: a window without IndexedDB keeps nothing, and says so once', async () => {
    vi.stubGlobal('indexedDB', undefined)
    const told: unknown[] = []
    const none = await openPageState((error) => told.push(error))
    vi.unstubAllGlobals()
    await none.keepPlan('https://a', 'digits', 'plan')
    expect(await none.plan('https://a', 'digits')).toBeUndefined()
    expect(told).toHaveLength(1)
  })

  async function seqs(registry: string, endpoint = 'digits'): Promise<number[]> {
    return (await state.waitingReports(registry, endpoint)).map(({ seq }) => seq)
  }
})
