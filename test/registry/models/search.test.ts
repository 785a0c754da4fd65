/** Models and versions found by a filter, in order, page by page. */
import { describe, expect, test } from 'vitest'
import { type Fixture, linearFiles, openFixture, pushModel, sendJson } from '../fixture.ts'

/** `a` of team vision with two versions, `b` and `c` of none. */
async function openModels(): Promise<Fixture> {
  const fixture = await openFixture()
  await pushModel(fixture, 'a', '1', linearFiles([1, 1]))
  await pushModel(fixture, 'a', '2', linearFiles([1, 2]), { 'selvedge.tag.team': 'vision' })
  await pushModel(fixture, 'b', '1', linearFiles([1, 3]))
  await pushModel(fixture, 'c', '1', linearFiles([1, 4]))
  return fixture
}

interface Page {
  items: { name: string; version: number }[]
  nextCursor?: string
}

async function read(fixture: Fixture, search: Record<string, string>, path = 'models', token?: string): Promise<Page> {
  const answer = await fixture.request(`/api/v1/${path}?${new URLSearchParams(search)}`, token ? { token } : {})
  expect(answer.status).toBe(200)
  return (await answer.json()) as Page
}

async function statusOf(fixture: Fixture, search: Record<string, string>, path = 'models'): Promise<number> {
  return (await fixture.request(`/api/v1/${path}?${new URLSearchParams(search)}`)).status
}

async function createToken(fixture: Fixture, body: object, admin?: string): Promise<string> {
  const headers = admin === undefined ? {} : { authorization: `Bearer ${admin}` }
  const made = await sendJson(fixture, 'POST', '/api/v1/tokens', body, headers)
  return ((await made.json()) as { secret: string }).secret
}

const names = ({ items }: Page) => items.map(({ name }) => name)

describe('a search of models', () => {
  test('finds by tag, name and number of the newest version', async () => {
    await using fixture = await openModels()
    expect(names(await read(fixture, { filter: 'team=vision' }))).toEqual(['a'])
    expect(names(await read(fixture, { filter: "name LIKE '%' AND version_number < 2" }))).toEqual(['b', 'c'])
  })

  test.each([
    ['name DESC', ['c', 'b', 'a']],
    ['version_number', ['b', 'c', 'a']],
    ['version_number DESC', ['a', 'c', 'b']],
    ['created_at ASC', ['a', 'b', 'c']],
  ])('in the order %s gives each model once, page by page', async (order_by, expected) => {
    await using fixture = await openModels()
    const found: string[] = []
    let cursor: string | undefined
    do {
      const page = await read(fixture, { order_by, limit: '1', ...(cursor && { cursor }) })
      found.push(...names(page))
      cursor = page.nextCursor
    } while (cursor !== undefined)
    expect(found).toEqual(expected)
  })

  test('AP-08 refuses a limit that is no page', async () => {
    await using fixture = await openModels()
    for (const limit of ['1000000000000', '-1', '1e2', '0x10', '0']) {
      expect([limit, await statusOf(fixture, { limit })]).toEqual([limit, 400])
    }
  })

  test('AP-09 refuses a cursor that is forged, cut or of another query', async () => {
    await using fixture = await openModels()
    const { nextCursor = '' } = await read(fixture, { limit: '1' })
    expect(await statusOf(fixture, { cursor: nextCursor })).toBe(200)
    expect(await statusOf(fixture, { cursor: nextCursor.slice(0, -4) })).toBe(400)
    expect(await statusOf(fixture, { cursor: Buffer.from('b').toString('base64url') })).toBe(400)
    expect(await statusOf(fixture, { cursor: nextCursor, order_by: 'name DESC' })).toBe(400)
    expect(await statusOf(fixture, { cursor: nextCursor, filter: 'team=vision' })).toBe(400)
    expect(await statusOf(fixture, { cursor: nextCursor }, 'models/a/versions')).toBe(400)
  })

  test('AP-09 tells a limited token of no model that it does not see, in cursors either', async () => {
    await using fixture = await openModels()
    const admin = await createToken(fixture, { role: 'admin' })
    const secret = await createToken(fixture, { role: 'reader', models: ['b', 'c'] }, admin)
    const page = await read(fixture, { limit: '1' }, 'models', secret)
    expect(names(page)).toEqual(['b'])
    expect(names(await read(fixture, { cursor: page.nextCursor ?? '' }, 'models', secret))).toEqual(['c'])
  })

  test.each([
    { order_by: '(select name from tokens)' },
    { order_by: 'name DESC, tags' },
    { filter: "' OR 1=1 --" },
    { filter: "name = 'a" },
    { filter: '' },
  ])('AP-10 refuses %j', async (search) => {
    await using fixture = await openModels()
    expect(await statusOf(fixture, search)).toBe(400)
  })

  test('AP-11 answers a costly pattern within 50 ms', async () => {
    await using fixture = await openModels()
    const filter = `name LIKE '${'a%'.repeat(8)}!'`
    await read(fixture, { filter })
    const start = performance.now()
    expect(names(await read(fixture, { filter }))).toEqual([])
    expect(performance.now() - start).toBeLessThan(50)
  })

  test('AP-12 refuses a filter of too many parts', async () => {
    await using fixture = await openModels()
    expect(await statusOf(fixture, { filter: `${'('.repeat(1000)}a=1${')'.repeat(1000)}` })).toBe(400)
    expect(await statusOf(fixture, { filter: Array(200).fill('a=1').join(' OR ') })).toBe(400)
  })
})

describe('a search of versions', () => {
  test('finds by tag and number, the newest first', async () => {
    await using fixture = await openModels()
    const found = await read(fixture, { filter: 'team=vision OR version_number = 1' }, 'models/a/versions')
    expect(found.items.map(({ version }) => version)).toEqual([2, 1])
    const one = await read(fixture, { filter: 'NOT team=vision' }, 'models/a/versions')
    expect(one.items.map(({ version }) => version)).toEqual([1])
  })
})
