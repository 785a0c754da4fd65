/** What every Store promises of tokens; each implementation runs it. */
import { describe, expect, test } from 'vitest'
import { day, type OpenStore } from './fixture.ts'

export function tokensContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name}: tokens`, () => {
    test('are found by their hash until they are revoked', async () => {
      await using opened = await open()
      const { tokens } = opened.store
      await tokens.create({ id: '1', role: 'reader', hash: 'aa' }, day)
      await tokens.create({ id: '2', role: 'page', name: 'shop', hash: 'bb' }, day)
      expect(await tokens.byHash('aa')).toEqual({ id: '1', role: 'reader', hash: 'aa' })
      expect(await tokens.tally()).toEqual({ reader: 1, page: 1 })
      expect(await tokens.revoke('1', day)).toBe(true)
      expect(await tokens.revoke('1', day)).toBe(false)
      expect(await tokens.byHash('aa')).toBeUndefined()
      expect(await tokens.tokens({ limit: 9 })).toEqual([{ id: '2', name: 'shop', role: 'page', createdAt: day }])
      expect(await tokens.tally()).toEqual({ page: 1 })
    })
  })
}
