import { describe, expect, test } from 'vitest'
import { openShared } from '../../../server/edge/shared.ts'

describe('work that requests share', () => {
  test('is begun by one of them, seen by the others, and may be begun again when it is done', async () => {
    const shared = openShared(1000, () => 0)
    const { promise, resolve } = Promise.withResolvers<void>()
    const mine = shared.begin(() => promise)
    expect(mine).toBeDefined()
    expect(shared.begin(() => Promise.reject(new Error('begun twice')))).toBeUndefined()
    expect(shared.running).toBe(mine)
    resolve()
    await mine
    expect(shared.running).toBeUndefined()
    expect(shared.begin(() => Promise.resolve())).toBeDefined()
  })

  test('is taken for dead when it is too old, and its late end does not end what was begun in its place', async () => {
    let now = 0
    const shared = openShared(1000, () => now)
    const dead = Promise.withResolvers<void>()
    const first = shared.begin(() => dead.promise)
    now = 999
    expect(shared.running).toBe(first)
    now = 1000
    expect(shared.running).toBeUndefined()
    const second = shared.begin(() => new Promise(() => undefined))
    dead.resolve()
    await first
    expect(shared.running).toBe(second)
  })

  test('that fails may be begun again', async () => {
    const shared = openShared(1000, () => 0)
    await expect(shared.begin(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
    expect(shared.running).toBeUndefined()
  })
})
