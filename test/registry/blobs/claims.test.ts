import { expect, test } from 'vitest'
import { openClaims } from '../../../registry/blobs/claims.ts'

test('a blob that someone brings is not taken, and who brings one that is being taken waits', async () => {
  const claims = openClaims()
  const order: string[] = []
  const brought = Promise.withResolvers<void>()
  const bringing = claims.bring('x', () => brought.promise)
  expect(await claims.take('x', async () => void order.push('taken while brought'))).toBe(false)
  expect(await claims.take('y', async () => void order.push('another taken'))).toBe(true)
  brought.resolve()
  await bringing
  const taken = Promise.withResolvers<void>()
  const taking = claims.take('x', async () => {
    await taken.promise
    order.push('taken')
  })
  const again = claims.bring('x', async () => void order.push('brought'))
  expect(await claims.take('x', async () => void order.push('taken twice'))).toBe(false)
  taken.resolve()
  await Promise.all([taking, again])
  expect(order).toEqual(['another taken', 'taken', 'brought'])
})

test('a failure lets go', async () => {
  const claims = openClaims()
  const fail = async () => {
    throw new Error('broken')
  }
  await expect(claims.bring('x', fail)).rejects.toThrow('broken')
  await expect(claims.take('x', fail)).rejects.toThrow('broken')
  expect(await claims.take('x', async () => undefined)).toBe(true)
})
