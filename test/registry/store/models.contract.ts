/** What every Store promises of models; each implementation runs it. */
import { describe, expect, test } from 'vitest'
import { digestOf } from '../fixture.ts'
import { day, type OpenStore, version } from './fixture.ts'

export function modelsContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name}: models`, () => {
    test('count versions from 1 and find the one that a manifest made', async () => {
      await using opened = await open()
      const { models } = opened.store
      expect(await models.registerVersion(version('1', { version: 1 }), day)).toEqual({ version: 1, registered: true })
      expect(await models.registerVersion(version('2', { alias: 'best' }), day)).toEqual({
        version: 2,
        registered: true,
      })
      expect(await models.registerVersion(version('1', { alias: 'best' }), day)).toEqual({
        version: 1,
        registered: false,
      })
      expect(await models.versionOf('m', digestOf('2'))).toBe(2)
      expect(await models.model('m')).toEqual({ name: 'm', createdAt: day, tags: {}, latestVersion: 2 })
      expect((await models.versions('m', { limit: 1 })).map((each) => each.version)).toEqual([2])
      expect((await models.versions('m', { limit: 9, before: 2 })).map((each) => each.version)).toEqual([1])
      expect(await opened.store.repositories.manifest('m', { tag: 'best' })).toMatchObject({ digest: digestOf('1') })
      expect(await opened.store.repositories.tags('m', { limit: 9 })).toEqual(['1', '2', 'best'])
    })

    test('give a version back as it was registered', async () => {
      await using opened = await open()
      const registered = version('1', { version: 1 })
      await opened.store.models.registerVersion(registered, day)
      const { spec: _, plan, ...facts } = registered.facts
      expect(await (await opened.reopen()).models.version('m', 1)).toEqual({
        model: 'm',
        version: 1,
        manifest: digestOf('1'),
        createdAt: day,
        ...facts,
        probe: { state: 'pending' },
        plan: { model: 'm', version: 1, manifest: digestOf('1'), ...plan },
      })
    })

    test('are unprobed until a probe is noted', async () => {
      await using opened = await open()
      const { models } = opened.store
      await models.registerVersion(version('1', { version: 1 }), day)
      await models.registerVersion(version('2', { version: 2 }), day)
      expect((await models.unprobed()).map(({ version }) => version)).toEqual([1, 2])
      const probe = { state: 'failed', why: 'it hangs', ort: '1.30.0', at: day } as const
      await models.noteProbe('m', 1, probe)
      expect((await models.unprobed()).map(({ version }) => version)).toEqual([2])
      expect(await models.version('m', 1)).toMatchObject({ probe })
    })

    test('refuse a number that is not next and change nothing', async () => {
      await using opened = await open()
      const { models } = opened.store
      await models.registerVersion(version('1', { version: 1 }), day)
      for (const [text, number] of [
        ['2', 1],
        ['2', 3],
        ['1', 3],
      ] as const) {
        await expect(models.registerVersion(version(text, { version: number }), day)).rejects.toMatchObject({
          code: 'DENIED',
        })
      }
      expect(await models.model('m')).toMatchObject({ latestVersion: 1 })
      expect(await opened.store.repositories.manifest('m', { digest: digestOf('2') })).toBeUndefined()
    })

    test('register one of two pushed to the same number at once', async () => {
      await using opened = await open()
      const results = await Promise.allSettled(
        ['1', '2', '3'].map((text) => opened.store.models.registerVersion(version(text, { version: 1 }), day)),
      )
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected'])
    })
  })
}
