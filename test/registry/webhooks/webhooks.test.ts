import { createHmac } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { openAddresses } from '../../../registry/webhooks/address.ts'
import { send } from '../../../registry/webhooks/send.ts'
import { cloudEvent } from '../../../runtime/contract/events.ts'
import { type Fixture, linearFiles, pushModel, sendJson } from '../fixture.ts'
import { at, draw, openMonitored, post, quick, reportsOf } from '../monitor/fixture.ts'
import { createHook, failOften, openHooked, openReceiver } from './receiver.ts'

const types = ['model.registered', 'version.registered']
const listed = async (fixture: Fixture) => await (await fixture.request('/api/v1/webhooks')).json()
const eventsOf = async (fixture: Fixture) =>
  ((await (await fixture.request('/api/v1/events')).json()) as { items: { id: string; type: string }[] }).items
const until = { timeout: 8000, interval: 20 }

describe('webhooks', () => {
  test('get what they list as GET /events gives it, signed as Standard Webhooks', async () => {
    const now = Date.parse('2026-11-24T10:00:00Z')
    await using fixture = await openHooked({ now })
    await using receiver = await openReceiver()
    const secret = await createHook(fixture, 'ops', receiver.url, ['version.registered'])
    await pushModel(fixture, 'a', '1')
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), until)
    const [{ headers, body } = { headers: {}, body: '' }] = receiver.received
    const all = await eventsOf(fixture)
    expect(JSON.parse(body)).toEqual(all.find(({ type }) => type === 'version.registered'))
    expect(cloudEvent.parse(JSON.parse(body)).id).toBe(headers['webhook-id'])
    expect(headers['webhook-timestamp']).toBe(String(now / 1000))
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
    expect(key).toHaveLength(32)
    const signed = createHmac('sha256', key)
      .update(`${headers['webhook-id']}.${now / 1000}.${body}`)
      .digest('base64')
    expect(headers['webhook-signature']).toBe(`v1,${signed}`)
    expect(headers['content-type']).toBe('application/cloudevents+json')
  })

  test('WH-08 show their secret once, and never in a list, the log or an event', async () => {
    const clock = { now: Date.parse('2026-11-24T10:00:00Z') }
    await using fixture = await openHooked(clock)
    await using receiver = await openReceiver((response) => response.writeHead(500).end())
    const secret = await createHook(fixture, 'ops', receiver.url, types)
    await pushModel(fixture, 'a', '1')
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), until)
    await vi.waitFor(async () => {
      failOften(fixture)
      clock.now += 3600_000
      expect((await eventsOf(fixture)).at(-1)?.type).toBe('webhook.paused')
    }, until)
    const bare = secret.replace('whsec_', '')
    const shown = [await listed(fixture), fixture.logged, await eventsOf(fixture), receiver.received]
    for (const each of shown) expect(JSON.stringify(each)).not.toContain(bare)
    const limited = { role: 'reader', models: ['a'] }
    const token = (await (await sendJson(fixture, 'POST', '/api/v1/tokens', limited)).json()) as { secret: string }
    const seen = await fixture.request('/api/v1/events', { token: token.secret })
    expect(JSON.stringify(await seen.json())).not.toContain('webhook')
    expect(JSON.stringify(fixture.logged)).not.toContain(receiver.url)
  })

  test.each([['https://127.0.0.1/'], ['http://8.8.8.8/'], ['file:///etc/passwd']])(
    'WH-01 WH-04 are refused at %s where the operator allows nothing of it',
    async (url) => {
      await using fixture = await openMonitored()
      const answer = await sendJson(fixture, 'POST', '/api/v1/webhooks', { name: 'ops', url, events: types })
      expect([answer.status, await answer.json()]).toMatchObject([400, { type: 'INVALID_REQUEST' }])
      expect(await listed(fixture)).toEqual({ items: [] })
    },
  )

  test('WH-01 are not called where the operator allows their address no longer', async () => {
    await using receiver = await openReceiver()
    const call = { url: receiver.url, headers: {}, body: '' }
    expect(await send(openAddresses('127.0.0.1'), call, AbortSignal.abort())).toBeDefined()
    expect(await send(openAddresses('10.0.0.0/8'), call, new AbortController().signal)).toMatchObject({
      why: 'INVALID_REQUEST',
    })
    expect(receiver.received).toEqual([])
  })

  test('WH-03 are not followed where they redirect: that is a failure', async () => {
    await using fixture = await openHooked()
    await using inside = await openReceiver()
    await using receiver = await openReceiver((response) => response.writeHead(307, { location: inside.url }).end())
    await createHook(fixture, 'ops', receiver.url, types)
    await pushModel(fixture, 'a', '1')
    await vi.waitFor(async () => {
      expect(await listed(fixture)).toMatchObject({ items: [{ failingSince: expect.any(String) }] })
    }, until)
    expect(inside.received).toEqual([])
    expect(fixture.logged).toContainEqual(expect.objectContaining({ event: 'webhook failed', why: 'answered 307' }))
  })

  test('WH-05 that never answer do not hold others, nor the end of the registry', async () => {
    await using fixture = await openHooked()
    await using silent = await openReceiver(() => undefined)
    await using receiver = await openReceiver()
    await createHook(fixture, 'a-silent', silent.url, types)
    await createHook(fixture, 'b', receiver.url, types)
    for (const version of ['1', '2', '3']) await pushModel(fixture, 'a', version, linearFiles([Number(version), 0]))
    await vi.waitFor(() => expect(receiver.received).toHaveLength(4), until)
    expect(silent.received).toHaveLength(1)
  })

  test('WH-05 are given up when they drip past the time', async () => {
    await using receiver = await openReceiver((response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('.'), 10)
      response.on('close', () => clearInterval(timer))
    })
    const call = { url: receiver.url, headers: {}, body: '' }
    const failed = await send(openAddresses('127.0.0.1'), call, new AbortController().signal, 200)
    expect(failed).toEqual({ why: 'no answer within 200 ms', isRefusal: false })
  })

  test('WH-05 that switch protocols failed', async () => {
    await using receiver = await openReceiver((response) =>
      response.writeHead(101, { connection: 'upgrade', upgrade: 'other' }).end(),
    )
    const call = { url: receiver.url, headers: {}, body: '' }
    expect(await send(openAddresses('127.0.0.1'), call, new AbortController().signal)).toMatchObject({ why: 'CLOSED' })
  })

  test('WH-05 that answer without end are read for 64 KiB', async () => {
    let written = 0
    await using receiver = await openReceiver((response) => {
      const chunk = Buffer.alloc(16 * 1024)
      const more = () => {
        while (!response.destroyed) {
          written += chunk.length
          if (!response.write(chunk)) return void response.once('drain', more)
        }
      }
      more()
    })
    const call = { url: receiver.url, headers: {}, body: '' }
    expect(await send(openAddresses('127.0.0.1'), call, new AbortController().signal)).toBeUndefined()
    // Beyond it no more than the sockets hold.
    expect(written).toBeLessThan(16 * 1024 * 1024)
  })

  test('WH-06 F-32 get every event in order, at least once, from a receiver that flaps, over a restart', async () => {
    const clock = { now: Date.parse('2026-11-24T10:00:00Z') }
    await using fixture = await openHooked(clock)
    let calls = 0
    await using receiver = await openReceiver((response) => response.writeHead(++calls % 2 ? 503 : 200).end())
    await createHook(fixture, 'ops', receiver.url, types)
    for (const version of ['1', '2', '3']) await pushModel(fixture, 'a', version, linearFiles([Number(version), 0]))
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), until)
    await fixture.restart()
    await vi.waitFor(() => {
      clock.now += 60_000
      expect(receiver.received.length).toBeGreaterThanOrEqual(8)
    }, until)
    const wanted = (await eventsOf(fixture)).filter(({ type }) => types.includes(type)).map(({ id }) => Number(id))
    const ids = receiver.ids()
    expect(ids).toEqual(ids.toSorted((a, b) => a - b))
    expect([...new Set(ids)]).toEqual(wanted)
  })

  test('WH-06 are paused after a day of failures, and go on when made again', async () => {
    const clock = { now: Date.parse('2026-11-24T10:00:00Z') }
    await using fixture = await openHooked(clock)
    let status = 500
    await using receiver = await openReceiver((response) => response.writeHead(status).end())
    await createHook(fixture, 'ops', receiver.url, types)
    const began = clock.now
    await pushModel(fixture, 'a', '1')
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), until)
    clock.now += 2000
    const paused = () => fixture.logged.some(({ event, paused }) => event === 'webhook failed' && paused === true)
    await vi.waitFor(
      () => {
        failOften(fixture)
        clock.now += 3600_000
        expect(paused()).toBe(true)
      },
      { timeout: 15_000, interval: 250 },
    )
    expect(clock.now - began).toBeGreaterThanOrEqual(24 * 3600_000)
    expect(await listed(fixture)).toMatchObject({ items: [{ name: 'ops', pausedAt: expect.any(String) }] })
    expect((await eventsOf(fixture)).at(-1)).toMatchObject({
      type: 'webhook.paused',
      source: '/api/v1/webhooks/ops',
      data: { why: 'answered 500' },
    })
    const tried = receiver.received.length
    expect(new Set(receiver.ids()).size).toBe(1)
    status = 200
    await createHook(fixture, 'ops', receiver.url, types)
    await vi.waitFor(() => expect(receiver.received).toHaveLength(tried + 2), until)
    expect(await listed(fixture)).toEqual({
      items: [{ name: 'ops', url: receiver.url, events: types, createdAt: new Date(began).toISOString() }],
    })
  }, 30_000)
})

describe('monitors that tell webhooks', () => {
  const path = '/api/v1/endpoints/e/monitors/mine'

  test('are refused where one is not there, and hold those that are', async () => {
    await using fixture = await openMonitored(undefined, { webhookNetworks: '127.0.0.0/8' })
    await using receiver = await openReceiver()
    const refused = await sendJson(fixture, 'PUT', path, { ...quick, tell: ['ops'] })
    expect([refused.status, await refused.json()]).toMatchObject([409, { type: 'MONITOR_REFUSED' }])
    await createHook(fixture, 'ops', receiver.url, [])
    expect((await sendJson(fixture, 'PUT', path, { ...quick, tell: ['ops'] })).status).toBe(201)
    expect(await (await fixture.request(path)).json()).toMatchObject({ tell: ['ops'] })
    const held = await fixture.request('/api/v1/webhooks/ops', { method: 'DELETE' })
    expect([held.status, await held.json()]).toMatchObject([
      409,
      { type: 'IN_USE', detail: expect.stringContaining('e/mine') },
    ])
    await fixture.request(path, { method: 'DELETE' })
    expect((await fixture.request('/api/v1/webhooks/ops', { method: 'DELETE' })).status).toBe(204)
    expect((await fixture.request('/api/v1/webhooks/ops', { method: 'DELETE' })).status).toBe(404)
  })

  test('go on with their life where nothing changes but whom they tell', async () => {
    const clock = { now: at }
    await using fixture = await openMonitored(clock, { webhookNetworks: '127.0.0.0/8' })
    await using receiver = await openReceiver()
    await createHook(fixture, 'ops', receiver.url, [])
    const put = async (body: object) =>
      ((await (await sendJson(fixture, 'PUT', path, body)).json()) as { createdAt: string }).createdAt
    const made = await put(quick)
    clock.now += 60_000
    expect(await put({ ...quick, tell: ['ops'] })).toBe(made)
    expect(await put(quick)).toBe(made)
    expect(await put({ ...quick, alpha: 0.01 })).not.toBe(made)
  })

  test('tell them their alarms, whatever types they list, and nobody else', async () => {
    await using receiver = await openReceiver()
    await using other = await openReceiver()
    const clock = { now: at }
    await using fixture = await openMonitored(clock, { webhookNetworks: '127.0.0.0/8' })
    await createHook(fixture, 'ops', receiver.url, [])
    await createHook(fixture, 'others', other.url, [])
    await sendJson(fixture, 'PUT', path, { ...quick, tell: ['ops'] })
    clock.now = at + 8 * 60_000
    await post(fixture, reportsOf(fixture.spec, draw(4000, 2, 0.4)))
    clock.now = at + 9 * 60_000
    // It looks when it is opened.
    await fixture.restart()
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), until)
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({ type: 'drift.detected', subject: 'mine' })
    expect(other.received).toEqual([])
    expect(await eventsOf(fixture)).toContainEqual(JSON.parse(receiver.received[0]?.body ?? ''))
  })
})
