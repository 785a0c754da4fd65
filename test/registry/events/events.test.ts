import { describe, expect, test } from 'vitest'
import { listen } from '../../../registry/listener.ts'
import { type CloudEvent, cloudEvent } from '../../../runtime/contract/events.ts'
import { type Fixture, linearFiles, openFixture, openServing, pushModel, sendJson } from '../fixture.ts'

const at = Date.parse('2026-11-24T10:00:00Z')

interface Listed {
  items: CloudEvent[]
  nextCursor?: string
}

async function events(fixture: Fixture, query = '', token?: string): Promise<Listed> {
  const answer = await fixture.request(`/api/v1/events${query}`, token === undefined ? {} : { token })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Listed
}

const short = ({ type, source, subject }: CloudEvent) => [type, source.replace('/api/v1/', ''), subject]

describe('events', () => {
  test('tell what was registered, moved, deployed and deleted, in order and as CloudEvents 1.0', async () => {
    await using fixture = await openFixture({ now: () => at })
    await pushModel(fixture, 'a', '1', linearFiles([1, 2]))
    await pushModel(fixture, 'a', 'best', linearFiles([3, 4]))
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version: 1 })
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/green', { model: 'a', version: 2 })
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/traffic', { split: { green: 100 } }, { 'if-match': '*' })
    await fixture.request('/api/v1/endpoints/e/deployments/blue', { method: 'DELETE' })
    await fixture.request('/api/v1/models/a/versions/1', { method: 'DELETE' })
    const { items } = await events(fixture)
    expect(items.map(short)).toEqual([
      ['model.registered', 'models/a', undefined],
      ['version.registered', 'models/a', '1'],
      ['version.registered', 'models/a', '2'],
      ['alias.moved', 'models/a', 'best'],
      ['deployment.ready', 'endpoints/e', 'blue'],
      ['traffic.changed', 'endpoints/e', undefined],
      ['deployment.ready', 'endpoints/e', 'green'],
      ['traffic.changed', 'endpoints/e', undefined],
      ['deployment.removed', 'endpoints/e', 'blue'],
      ['version.deleted', 'models/a', '1'],
    ])
    for (const item of items) expect(cloudEvent.parse(item)).toEqual(item)
    expect(items[7]).toEqual({
      specversion: '1.0',
      id: '8',
      type: 'traffic.changed',
      source: '/api/v1/endpoints/e',
      time: '2026-11-24T10:00:00.000Z',
      datacontenttype: 'application/json',
      data: { split: { green: 100 }, revision: at + 3 },
    })
  })

  test('are not told of what was refused or changed nothing', async () => {
    await using fixture = await openServing()
    const before = await events(fixture)
    await pushModel(fixture, 'a', '2', linearFiles([3, 4]))
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version: 1 })
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/traffic', { split: { blue: 100 } }, { 'if-match': '*' })
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/traffic', { split: { nobody: 100 } }, { 'if-match': '*' })
    expect(await events(fixture)).toEqual(before)
  })

  test('come in pages, and any id is a cursor, also after a restart', async () => {
    await using fixture = await openServing()
    const all = (await events(fixture)).items
    const paged: CloudEvent[] = []
    for (let cursor: string | undefined = '0'; cursor !== undefined; ) {
      const page = await events(fixture, `?limit=2&cursor=${cursor}`)
      paged.push(...page.items)
      cursor = page.nextCursor
    }
    expect(paged).toEqual(all)
    await fixture.restart()
    await pushModel(fixture, 'a', '3', linearFiles([5, 6]))
    const more = await events(fixture, `?cursor=${all.at(-1)?.id}`)
    expect(more.items.map(short)).toEqual([['version.registered', 'models/a', '3']])
  })

  test('are filtered by endpoint and type', async () => {
    await using fixture = await openServing()
    expect((await events(fixture, '?endpoint=e&type=deployment.ready')).items.map(short)).toEqual([
      ['deployment.ready', 'endpoints/e', 'blue'],
      ['deployment.ready', 'endpoints/e', 'green'],
    ])
    expect((await fixture.request('/api/v1/events?type=nothing')).status).toBe(400)
    expect((await fixture.request('/api/v1/events?cursor=x')).status).toBe(400)
  })

  test('of other models and of endpoints that serve them do not exist for a token that is limited to some', async () => {
    await using fixture = await openServing()
    await pushModel(fixture, 'b', '1', linearFiles([7, 8]))
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/other/deployments/blue', { model: 'b', version: 1 })
    const made = await sendJson(fixture, 'POST', '/api/v1/tokens', { role: 'reader', models: ['b'] })
    const { secret } = (await made.json()) as { secret: string }
    const sources = (await events(fixture, '?limit=1', secret)).items.map(short)
    expect(sources).toEqual([['model.registered', 'models/b', undefined]])
    expect(new Set((await events(fixture, '', secret)).items.map(({ source }) => source))).toEqual(
      new Set(['/api/v1/models/b', '/api/v1/endpoints/other']),
    )
  })
})

describe('the stream of events', () => {
  test('tells what happens, goes on from Last-Event-ID after a break, and ends when the registry drains', async () => {
    await using fixture = await openServing()
    await using follower = await follow(fixture)
    await pushModel(fixture, 'a', '3', linearFiles([5, 6]))
    const [first] = await follower.next(1)
    expect(first).toMatchObject({ event: 'version.registered', data: { subject: '3' } })
    await follower[Symbol.asyncDispose]()
    await pushModel(fixture, 'a', '4', linearFiles([6, 7]))
    await pushModel(fixture, 'a', 'best', linearFiles([6, 7]))
    await using again = await follow(fixture, { 'last-event-id': first?.id ?? '' })
    const found = await again.next(2)
    expect(found.map(({ event, id }) => [event, Number(id)])).toEqual([
      ['version.registered', Number(first?.id) + 1],
      ['alias.moved', Number(first?.id) + 2],
    ])
    fixture.registry.drain()
    expect(await again.ended()).toBe(true)
  })

  test('is filtered as pages are', async () => {
    await using fixture = await openServing()
    await using follower = await follow(fixture, {}, '?type=alias.moved')
    await pushModel(fixture, 'a', 'best', linearFiles([5, 6]))
    expect((await follower.next(1)).map(({ event }) => event)).toEqual(['alias.moved'])
  })

  test('is given to so many at most, and to others again once they left', async () => {
    await using fixture = await openServing()
    const followers = await Promise.all(Array.from({ length: 100 }, () => follow(fixture)))
    const headers = { accept: 'text/event-stream' }
    const status = async () => (await fixture.request('/api/v1/events', { headers })).status
    expect(await status()).toBe(429)
    await Promise.all(followers.map((each) => each[Symbol.asyncDispose]()))
    await expect.poll(status, { timeout: 10_000 }).toBe(200)
  })

  test('reaches a client over the network and does not hold up its end', async () => {
    await using fixture = await openServing()
    const listener = await listen(fixture.registry, '127.0.0.1', 0)
    const answer = await fetch(`${listener.url}/api/v1/events?cursor=0`, { headers: { accept: 'text/event-stream' } })
    expect(answer.headers.get('content-type')).toBe('text/event-stream')
    const reader = openReader(answer)
    expect((await reader.next(3)).map(({ id }) => id)).toEqual(['1', '2', '3'])
    fixture.registry.drain()
    await listener.close(30_000)
    expect(await reader.ended()).toBe(true)
  })
})

interface Message {
  id: string
  event: string
  data: CloudEvent
}

async function follow(fixture: Fixture, headers: Record<string, string> = {}, query = '') {
  const answer = await fixture.request(`/api/v1/events${query}`, {
    headers: { accept: 'text/event-stream', ...headers },
  })
  expect(answer.status).toBe(200)
  const reader = openReader(answer)
  await reader.begun()
  return reader
}

function openReader({ body }: Response) {
  const chunks = (body ?? new ReadableStream<Uint8Array>()).pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const messages: Message[] = []
  const read = async () => {
    const { done, value = '' } = await chunks.read()
    text += value
    const parts = text.split('\n\n')
    text = parts.pop() ?? ''
    for (const part of parts) {
      const [id, event, data] = ['id', 'event', 'data'].map((name) => part.match(`(?:^|\n)${name}: (.*)`)?.[1] ?? '')
      if (id) messages.push({ id, event: event ?? '', data: JSON.parse(data ?? '') })
    }
    return !done
  }
  return {
    begun: read,
    async next(count: number): Promise<Message[]> {
      while (messages.length < count) if (!(await read())) break
      return messages.splice(0, count)
    },
    async ended() {
      while (await read());
      return true
    },
    [Symbol.asyncDispose]: () => chunks.cancel(),
  }
}
