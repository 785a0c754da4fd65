/** What every Store promises of endpoints; each implementation runs it. */
import { describe, expect, test } from 'vitest'
import { linearSpec } from '../fixture.ts'
import { day, now, type OpenStore, spec, version } from './fixture.ts'

export function endpointsContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name}: endpoints`, () => {
    test('change by a rule, whole or not at all', async () => {
      await using opened = await open()
      const { endpoints } = opened.store
      expect((await endpoints.create('e', now)).made).toBe(true)
      expect((await endpoints.create('e', now + 5)).made).toBe(false)
      const changed = await endpoints.change('e', now, (state) => ({ ...state, shadow: { deployment: 'x', ppm: 1 } }))
      expect(changed).toMatchObject({
        revision: now + 1,
        issuedAt: now,
        salt: 'e:1',
        shadow: { deployment: 'x', ppm: 1 },
      })
      expect(await endpoints.change('e', now + 9, (state) => state)).toEqual(changed)
      const refused = endpoints.change('e', now + 9, () => {
        throw new Error('refused')
      })
      await expect(refused).rejects.toThrow('refused')
      expect(await (await opened.reopen()).endpoints.endpoint('e')).toEqual(changed)
    })

    test('apply rules one after the other, however many come at once', async () => {
      await using opened = await open()
      const { endpoints } = opened.store
      await endpoints.create('e', now)
      await Promise.all(
        Array.from({ length: 20 }, () =>
          endpoints.change('e', now, (state) => ({
            ...state,
            shadow: { deployment: 'x', ppm: (state.shadow?.ppm ?? 0) + 1 },
          })),
        ),
      )
      expect(await endpoints.endpoint('e')).toMatchObject({ shadow: { ppm: 20 }, revision: now + 20 })
    })

    test('are signed anew by one of those who try', async () => {
      await using opened = await open()
      const { endpoints } = opened.store
      await endpoints.create('e', now)
      await endpoints.reissue('e', now, now + 10)
      await endpoints.reissue('e', now, now + 20)
      expect(await endpoints.endpoint('e')).toMatchObject({ issuedAt: now + 10, revision: now })
    })

    test('are gone when removed and come back with the next salt', async () => {
      await using opened = await open()
      const { endpoints } = opened.store
      await endpoints.create('e', now)
      await endpoints.remove('e', now, () => undefined)
      expect(await endpoints.endpoint('e')).toBeUndefined()
      expect(await endpoints.endpoints({ limit: 9 })).toEqual([])
      await expect(endpoints.change('e', now, (state) => state)).rejects.toMatchObject({ code: 'ENDPOINT_UNKNOWN' })
      expect((await endpoints.create('e', now)).state).toMatchObject({ salt: 'e:2', revision: now + 2 })
    })

    test('remember all that they served', async () => {
      await using opened = await open()
      const { endpoints, models } = opened.store
      for (const text of ['1', '2']) await models.registerVersion(version(text, { version: Number(text) }), day)
      await endpoints.create('e', now)
      for (const number of [1, 2, 1]) {
        await endpoints.change('e', now, (state) => ({
          ...state,
          deployments: [{ name: 'blue', model: 'm', version: number, createdAt: day }],
        }))
      }
      const served = { deployment: 'blue', model: 'm', variants: ['fp32'], spec: { digest: spec, spec: linearSpec } }
      expect(await endpoints.served('e')).toEqual([
        { ...served, version: 1 },
        { ...served, version: 2 },
      ])
    })
  })
}
