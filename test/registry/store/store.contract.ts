/** What every Store promises; each implementation runs it. */
import { describe, expect, test } from 'vitest'
import type { CheckedReport, NewVersion, Store } from '../../../registry/store/store.ts'
import { bytesOf, digestOf, linearDescription, linearSpec } from '../fixture.ts'

export interface OpenStore extends AsyncDisposable {
  store: Store
  /** Closes the store and opens it over the same data. */
  reopen(): Promise<Store>
}

const day = '2026-11-24T10:00:00.000Z'
const now = Date.parse(day)
const spec = digestOf(JSON.stringify(linearSpec))

export function storeContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name}: repositories`, () => {
    test('hold blobs apart from one another', async () => {
      await using opened = await open()
      const { repositories } = opened.store
      const blob = { digest: digestOf('x'), size: 1, chunks: [digestOf('x').slice(7)] }
      await repositories.addBlob('a', blob, day)
      await repositories.addBlob('a', blob, day)
      expect(await repositories.blob('a', blob.digest)).toEqual({ ...blob, corrupt: false, pinnedAt: day })
      expect(await repositories.blob('b', blob.digest)).toBeUndefined()
      await repositories.markCorrupt(blob.digest, day)
      expect(await repositories.blob('a', blob.digest)).toMatchObject({ corrupt: true })
      await repositories.addBlob('b', blob, day)
      expect(await repositories.blob('a', blob.digest)).toMatchObject({ corrupt: false })
    })

    test('tell which blobs nothing needs, and let them go when nobody pinned them since', async () => {
      await using opened = await open()
      const { repositories } = opened.store
      const [early, late] = ['2026-11-24T09:00:00.000Z', '2026-11-24T11:00:00.000Z']
      const blobs = ['needed', 'old', 'new', 'pinned', 'shared'].map((text) => ({
        digest: digestOf(text),
        size: text.length,
        chunks: [],
      }))
      for (const blob of blobs) await repositories.addBlob('a', blob, early)
      const digests = Object.fromEntries(
        ['needed', 'old', 'new', 'pinned', 'shared'].map((text) => [text, digestOf(text)]),
      )
      const { needed = '', old = '', new: fresh = '', pinned = '', shared = '' } = digests
      const manifest = { digest: digestOf('m'), mediaType: 'x', bytes: bytesOf('m'), blobs: [needed], children: [] }
      await repositories.addManifest('a', manifest, undefined, early)
      await repositories.addBlob('a', { digest: fresh, size: 3, chunks: [] }, late)
      expect(await repositories.pinBlob('a', pinned, late)).toBe(true)
      expect(await repositories.pinBlob('b', pinned, late)).toBe(false)
      expect(await repositories.mountBlob('b', 'a', shared, late)).toBe(true)
      expect(await repositories.unneededBlobs(day)).toEqual([{ digest: old, size: 3 }])
      await repositories.letGo(day)
      const left = async (digest: string) => (await repositories.blob('a', digest)) !== undefined
      expect(await Promise.all([needed, old, fresh, pinned, shared].map(left))).toEqual([
        true,
        false,
        true,
        true,
        false,
      ])
      expect([await repositories.forgetBlob(old), await repositories.forgetBlob(shared)]).toEqual([true, false])
      expect([await repositories.isKnown(old), await repositories.isKnown(shared)]).toEqual([false, true])
      expect(await repositories.mountBlob('b', 'a', old, late)).toBe(false)
      const lost = { ...manifest, digest: digestOf('n'), blobs: [old] }
      await expect(repositories.addManifest('a', lost, 'n', late)).rejects.toMatchObject({
        code: 'MANIFEST_BLOB_UNKNOWN',
      })
      expect(await repositories.manifest('a', { digest: lost.digest })).toBeUndefined()
    })

    test('know an upload by its repository and its token', async () => {
      await using opened = await open()
      const { repositories } = opened.store
      await repositories.openUpload({ id: 'u', repository: 'a', token: 't' }, day, 1)
      await repositories.openUpload({ id: 'v', repository: 'a' }, day, 1)
      const known = (id: string, repository: string, token?: string) => repositories.upload({ id, repository, token })
      expect([await known('u', 'a', 't'), await known('v', 'a')]).toEqual([
        { size: 0, parts: 0 },
        { size: 0, parts: 0 },
      ])
      expect([await known('u', 'a'), await known('u', 'b', 't'), await known('v', 'a', 't')]).toEqual([
        undefined,
        undefined,
        undefined,
      ])
      await repositories.closeUpload({ id: 'u', repository: 'a', token: 't' })
      expect(await known('u', 'a', 't')).toBeUndefined()
      expect([await repositories.isOpen('u'), await repositories.isOpen('v')]).toEqual([false, true])
    })

    test('advance an upload from where it is, once, and remember it', async () => {
      await using opened = await open()
      const upload = { id: 'u', repository: 'a' }
      await opened.store.repositories.openUpload(upload, day, 1)
      const advance = (from: number, to: number) => opened.store.repositories.advanceUpload('u', from, to, day)
      expect(await Promise.all([advance(0, 10), advance(0, 20)])).toEqual([true, false])
      expect(await advance(10, 30)).toBe(true)
      expect(await (await opened.reopen()).repositories.upload(upload)).toEqual({ size: 30, parts: 2 })
      await opened.store.repositories.closeUpload(upload)
      expect(await advance(30, 40)).toBe(false)
    })

    test('open so many uploads of a token and no more, until one is closed or dropped for its age', async () => {
      await using opened = await open()
      const { repositories } = opened.store
      const start = (id: string, token: string | undefined, at: string) =>
        repositories.openUpload({ id, repository: 'a', token }, at, 2)
      expect(await start('1', 't', '2026-11-24T10:00:00.000Z')).toBe(true)
      expect(await start('2', 't', '2026-11-24T10:00:00.000Z')).toBe(true)
      expect(await start('3', 't', day)).toBe(false)
      expect(await repositories.isOpen('3')).toBe(false)
      expect(await start('4', undefined, '2026-11-24T11:00:00.000Z')).toBe(true)
      await repositories.advanceUpload('2', 0, 1, '2026-11-24T11:00:00.000Z')
      await repositories.dropUploads('2026-11-24T11:00:00.000Z')
      expect([await repositories.isOpen('1'), await repositories.isOpen('2')]).toEqual([false, true])
      expect(await start('5', 't', day)).toBe(true)
    })

    test('give manifests by digest and by tag, and a tag moves', async () => {
      await using opened = await open()
      const { repositories } = opened.store
      const [one, two] = ['{"a":1}', '{"a":2}'].map((text) => ({
        digest: digestOf(text),
        mediaType: 'application/x',
        bytes: bytesOf(text),
        blobs: [],
        children: [],
      }))
      if (one === undefined || two === undefined) throw new Error('unreachable')
      await repositories.addManifest('a', one, 'tag', day)
      await repositories.addManifest('a', two, 'tag', day)
      await repositories.addManifest('a', one, undefined, day)
      expect(await repositories.manifest('a', { tag: 'tag' })).toEqual({
        digest: two.digest,
        mediaType: two.mediaType,
        bytes: two.bytes,
      })
      expect(await repositories.manifest('a', { digest: one.digest })).toMatchObject({ bytes: one.bytes })
      expect(await repositories.manifest('b', { digest: one.digest })).toBeUndefined()
      expect(await repositories.tags('a', { limit: 10 })).toEqual(['tag'])
      expect(await repositories.tags('b', { limit: 10 })).toBeUndefined()
    })
  })

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

  describe(`${name}: telemetry`, () => {
    test('folds a group as it folds its reports one by one', async () => {
      const reports = [report('a', 1, 3), report('b', 2, 5), report('a', 2, 4), report('b', 1, 9), report('a', 2, 4)]
      const results: unknown[] = []
      for (const groups of [[reports], reports.map((each) => [each])]) {
        await using opened = await open()
        await opened.store.endpoints.create('e', now)
        const counted: (boolean | undefined)[] = []
        for (const group of groups) counted.push(...(await opened.store.telemetry.fold(group)))
        results.push([
          counted,
          await opened.store.telemetry.sums('e', ''),
          await opened.store.telemetry.hosts('e', '', 9),
        ])
      }
      expect(results[0]).toEqual(results[1])
      expect(results[0]).toMatchObject([
        [true, true, true, false, false],
        [{ rows: 9, senders: 2 }],
        [{ rows: 4 }, { rows: 5 }],
      ])
    })

    test('writes an exposure once a day and an outcome once a minute, the earliest, in any order', async () => {
      const unit = 'u'.repeat(22)
      const exposed = (at: string) => ({ ...report('a', 1, 0), exposures: [{ unit, deployment: 'blue', at }] })
      const told = (at: string, accepted: boolean) => ({
        ...report('a', 1, 0),
        outcomes: [{ unit, at, values: { accepted } }],
      })
      await using opened = await open()
      const { endpoints, telemetry } = opened.store
      await endpoints.create('e', now)
      await telemetry.fold([exposed('2026-11-24T09:00:00.000Z'), exposed('2026-11-24T08:00:00.000Z')])
      await telemetry.fold([exposed('2026-11-25T09:00:00.000Z')])
      await telemetry.fold([told('2026-11-24T09:00:30.000Z', true), told('2026-11-24T09:00:10.000Z', false)])
      await telemetry.fold([told('2026-11-24T09:01:00.000Z', true)])
      expect(await telemetry.counted('e')).toEqual({ exposures: 2, outcomes: 2 })
    })
  })

  describe(`${name}: events`, () => {
    test('are read in order from any of them on, and their numbers rise for ever', async () => {
      await using opened = await open()
      const event = (at: string, endpoint: string) => ({
        type: 'job.completed' as const,
        at,
        about: { endpoint },
        data: { at },
      })
      for (const endpoint of ['e', 'f', 'e']) await opened.store.events.append(event(day, endpoint))
      const { events } = opened.store
      expect((await events.events({ after: 0, limit: 2 })).map(({ id }) => id)).toEqual([1, 2])
      expect((await events.events({ after: 1, endpoint: 'e', limit: 9 })).map(({ id }) => id)).toEqual([3])
      await events.drop('2027-01-01T00:00:00.000Z')
      const reopened = (await opened.reopen()).events
      expect(await reopened.newest()).toBe(3)
      await reopened.append(event(day, 'e'))
      expect(await reopened.events({ after: 0, limit: 9 })).toEqual([{ id: 4, ...event(day, 'e') }])
    })
  })

  describe(`${name}: looks`, () => {
    const looked = { endpoint: 'e', monitor: 'm', deployment: 'blue' }
    const look = (place: number) => ({
      ...looked,
      version: 1,
      at: new Date(now + place * 60_000).toISOString(),
      verdict: 'drift',
      summary: { place },
      report: { place },
    })
    const state = { ...looked, version: 1, part: 'features/a', state: 'alarm' as const, since: day }
    const nothing = () => ({ states: [], events: [] })

    test('happen once at a moment, with the states and events that follow', async () => {
      await using opened = await open()
      const { looks, endpoints, events } = opened.store
      await endpoints.create('e', now)
      const data = { monitor: 'm' }
      const event = { type: 'drift.detected' as const, at: day, about: { endpoint: 'e' }, subject: 'm', data }
      const told: unknown[] = []
      const rule = (before: unknown) => {
        told.push(before)
        return { states: [state], events: [event] }
      }
      expect(await looks.record(look(1), rule)).toBe(true)
      expect(await looks.record(look(1), rule)).toBe(false)
      expect(await looks.record(look(0), rule)).toBe(false)
      expect(await looks.record(look(2), rule)).toBe(true)
      expect(told).toEqual([[], [state]])
      expect(await events.events({ after: 0, limit: 9 })).toEqual([
        { id: 1, ...event },
        { id: 2, ...event },
      ])
      const { report, ...past } = look(1)
      expect(await looks.last(looked, past.at)).toEqual(past)
      expect(await looks.report(looked, past.at)).toEqual(report)
      expect(await (await opened.reopen()).looks.states('e')).toEqual([state])
    })

    test('that fail leave nothing', async () => {
      await using opened = await open()
      const { looks, endpoints } = opened.store
      await endpoints.create('e', now)
      const failing = looks.record(look(1), () => {
        throw new Error('no rule')
      })
      await expect(failing).rejects.toThrow('no rule')
      expect(await looks.last(looked)).toBeUndefined()
    })

    test('are a thousand at most, a hundred of them with their reports', async () => {
      await using opened = await open()
      const { looks, endpoints } = opened.store
      await endpoints.create('e', now)
      for (let place = 0; place < 1005; place++) await looks.record(look(place), nothing)
      const kept = await looks.looks(looked, { limit: 2000 })
      expect([kept.length, kept[0]?.summary, kept.at(-1)?.summary]).toEqual([1000, { place: 1004 }, { place: 5 }])
      expect(await looks.report(looked, look(905).at)).toEqual({ place: 905 })
      expect(await looks.report(looked, look(904).at)).toBeUndefined()
    })

    test('belong to the endpoint as it is now', async () => {
      await using opened = await open()
      const { looks, endpoints } = opened.store
      await endpoints.create('e', now)
      await looks.record(look(1), () => ({ states: [state], events: [] }))
      await endpoints.remove('e', now, () => undefined)
      expect(await looks.record(look(2), nothing)).toBe(false)
      await endpoints.create('e', now)
      expect([await looks.last(looked), await looks.states('e')]).toEqual([undefined, []])
    })
  })

  describe(`${name}: outcomes`, () => {
    test('come in pages from the newest on, each with the last prediction before it', async () => {
      await using opened = await open()
      const { telemetry, outcomes, endpoints } = opened.store
      await endpoints.create('e', now)
      const minute = (place: number) => new Date(now + place * 60_000).toISOString()
      const exposure = (unit: string, place: number, cell: number, deployment = 'blue') => ({
        unit,
        deployment,
        at: minute(place),
        prediction: { version: 1, spec, cells: [cell] },
      })
      const outcome = (unit: string, place: number) => ({ unit, at: minute(place), values: { sold: place } })
      const told = {
        ...report('s', 1, 1),
        exposures: [
          exposure('ada', -1440, 1),
          exposure('ada', 0, 2),
          exposure('bob', 0, 3),
          // Answered by another deployment since, and after the outcome.
          exposure('bob', 2, 4, 'green'),
          exposure('cy', 9, 5),
        ],
        outcomes: [outcome('ada', -1), outcome('ada', 1), outcome('bob', 1), outcome('bob', 3), outcome('cy', 4)],
      }
      await telemetry.fold([told])
      const asked = { deployment: 'blue', version: 1, spec, from: minute(-2000), to: minute(100), limit: 2 }
      const pages: unknown[] = []
      for (let before: { at: string; unit: string } | undefined; ; ) {
        const page = await outcomes.joined('e', { ...asked, before })
        pages.push(page.rows.map(({ unit, cells, values }) => [unit, cells, values.sold]))
        before = page.next
        if (before === undefined) break
      }
      expect(pages).toEqual([
        [],
        [
          ['bob', [3], 1],
          ['ada', [2], 1],
        ],
        [['ada', [1], -1]],
      ])
      expect((await outcomes.joined('e', { ...asked, version: 2 })).rows).toEqual([])
    })
  })

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

function version(text: string, target: NewVersion['target']): NewVersion {
  return {
    model: 'm',
    manifest: { digest: digestOf(text), mediaType: 'application/x', bytes: bytesOf(text), blobs: [], children: [] },
    target,
    facts: {
      sizeBytes: 10,
      tags: { team: 'risk' },
      why: 'because',
      description: linearDescription as NewVersion['facts']['description'],
      hasProfile: true,
      hasGolden: false,
      spec: { digest: spec, spec: linearSpec as NonNullable<NewVersion['facts']['spec']>['spec'] },
      plan: { description: digestOf('d'), spec, variants: [{ id: 'fp32', providers: ['wasm'], files: [] }] },
    },
  }
}

function report(sender: string, seq: number, rows: number): CheckedReport {
  return {
    sender: sender.repeat(22),
    seq,
    window: day,
    endpoint: 'e',
    revision: now,
    receivedAt: day,
    tier: 'trusted',
    exposures: [],
    outcomes: [],
    profiles: [
      {
        deployment: 'blue',
        version: 1,
        variant: 'fp32',
        provider: 'wasm',
        device: 'desktop',
        spec,
        rows,
        counts: { a: [rows, 0, 0, 0, 0, 0], b: [rows, 0, 0, 0, 0] },
        outputs: { value: [rows, 0, 0, 0, 0] },
        latency: new Array(33).fill(0),
        errors: { RUN_FAILED: rows },
      },
    ],
  }
}
