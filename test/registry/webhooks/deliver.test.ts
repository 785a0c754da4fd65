import { mkdtemp, rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test, vi } from 'vitest'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'
import type { Store } from '../../../registry/store/store.ts'
import type { NewWebhook } from '../../../registry/store/webhooks.ts'
import { openAddresses } from '../../../registry/webhooks/address.ts'
import { openDeliveries } from '../../../registry/webhooks/deliver.ts'
import { createSecret } from '../../../registry/webhooks/signature.ts'
import { openReceiver, type Received } from './receiver.ts'

const day = '2026-11-24T10:00:00.000Z'
const until = { timeout: 8000, interval: 20 }

interface Opened extends AsyncDisposable {
  store: Store
  logged: Record<string, unknown>[]
  clock: { now: number }
  /** Appends so many events of the type at once. */
  happen(type: string, count?: number): void
  put(name: string, url: string): Promise<void>
  /** Starts to deliver. */
  start(store?: Store): void
}

async function open(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-webhooks-'))
  const file = join(folder, 'registry.db')
  const store = openSqliteStore(file)
  const logged: Record<string, unknown>[] = []
  const clock = { now: Date.parse(day) }
  let deliveries: ReturnType<typeof openDeliveries> | undefined
  return {
    store,
    logged,
    clock,
    happen(type, count = 1) {
      using database = new DatabaseSync(file, { timeout: 5000 })
      database
        .prepare(
          `INSERT INTO events (type, at, model, data)
          WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT ?, ?, 'm', '{}' FROM n`,
        )
        .run(count, type, day)
    },
    async put(name, url) {
      await store.webhooks.put(hook(name, url), day)
    },
    start(served = store) {
      const addresses = openAddresses('127.0.0.0/8')
      deliveries = openDeliveries({
        store: served,
        addresses,
        now: () => clock.now,
        log: (entry) => logged.push(entry),
      })
    },
    async [Symbol.asyncDispose]() {
      await deliveries?.close()
      await store.close()
      await rm(folder, { recursive: true })
    },
  }
}

function hook(name: string, url: string): NewWebhook {
  return { name, url, events: ['version.registered'], secret: createSecret() }
}

const idOf = ({ body }: Received) => Number(JSON.parse(body).id)
const progressOf = async ({ webhooks }: Store) => (await webhooks.webhooks())[0]?.progress
const never = 'http://127.0.0.1:9999/'

test('F-32 a backlog of events for nobody gives others their turn', async () => {
  await using opened = await open()
  for (let i = 0; i < 20; i++) await opened.put(`hook-${i}`, never)
  opened.happen('model.registered', 10_000)
  let last = performance.now()
  const began = last
  let longestMs = 0
  let isOver = false
  opened.start()
  const tick = () => {
    const at = performance.now()
    longestMs = Math.max(longestMs, at - last)
    last = at
    if (!isOver) setImmediate(tick)
  }
  tick()
  await vi.waitFor(
    async () => {
      const cursors = (await opened.store.webhooks.webhooks()).map(({ progress }) => progress.cursor)
      expect(new Set(cursors)).toEqual(new Set([10_000]))
    },
    { timeout: 30_000, interval: 20 },
  )
  isOver = true
  expect(longestMs).toBeLessThan((performance.now() - began) / 4)
}, 40_000)

test('WH-06 what failed and is for it no longer leaves no failures behind', async () => {
  await using opened = await open()
  await opened.put('ops', never)
  const [webhook] = await opened.store.webhooks.webhooks()
  if (webhook === undefined) throw new Error('no webhook')
  const dueAt = opened.clock.now - 1
  await opened.store.webhooks.note(webhook, {
    cursor: 0,
    failures: 30,
    failingSince: '2026-11-20T10:00:00.000Z',
    dueAt,
  })
  opened.happen('model.registered')
  opened.start()
  await vi.waitFor(async () => {
    expect(await progressOf(opened.store)).toEqual({ cursor: 1, failures: 0, dueAt: 0 })
  }, until)
})

test('what was begun before a webhook was made again is not noted for the new one', async () => {
  await using opened = await open()
  const { webhooks } = opened.store
  const { webhook: old } = await webhooks.put(hook('ops', never), day)
  await webhooks.remove('ops')
  const { webhook: made } = await webhooks.put(hook('ops', never), day)
  expect(made.changes).toBe(old.changes)
  expect(await webhooks.note(old, { cursor: 7, failures: 0, dueAt: 0 })).toBeUndefined()
  expect((await progressOf(opened.store))?.cursor).toBe(0)
})

test('WH-06 what cannot be noted is not sent again until its wait is over', async () => {
  await using opened = await open()
  await using receiver = await openReceiver()
  await opened.put('ops', receiver.url)
  opened.happen('version.registered')
  const { store } = opened
  let looks = 0
  let isFull = true
  const webhooks: Store['webhooks'] = {
    ...store.webhooks,
    async webhooks() {
      looks++
      return await store.webhooks.webhooks()
    },
    async note(...noted) {
      if (isFull) throw new Error('disk full')
      return await store.webhooks.note(...noted)
    },
  }
  opened.start({ ...store, webhooks })
  await vi.waitFor(() => expect(looks).toBeGreaterThanOrEqual(4), until)
  expect(receiver.received).toHaveLength(1)
  isFull = false
  opened.clock.now += 1000
  await vi.waitFor(async () => expect((await progressOf(store))?.cursor).toBe(1), until)
  expect(receiver.received).toHaveLength(2)
})

test.each(['removed', 'changed'])('a webhook that was %s is not called any more', async (how) => {
  await using opened = await open()
  await using other = await openReceiver()
  const { webhooks } = opened.store
  await using receiver = await openReceiver(async (response) => {
    if (how === 'removed') await webhooks.remove('ops')
    else await webhooks.put(hook('ops', other.url), day)
    response.writeHead(204).end()
  })
  await opened.put('ops', receiver.url)
  await opened.put('z-last', other.url)
  opened.happen('version.registered', 5)
  opened.start()
  const wanted = how === 'removed' ? 5 : 10
  await vi.waitFor(() => expect(other.received).toHaveLength(wanted), until)
  expect(receiver.received.map(idOf)).toEqual([1])
})

test('F-32 an event that is refused five times is given up, and those after it come', async () => {
  await using opened = await open()
  await using receiver = await openReceiver((response, request) =>
    response.writeHead(idOf(request) === 2 ? 422 : 204).end(),
  )
  await opened.put('ops', receiver.url)
  opened.happen('version.registered', 4)
  opened.start()
  await vi.waitFor(() => {
    opened.clock.now += 1000
    expect(receiver.received).toHaveLength(8)
  }, until)
  expect(receiver.received.map(idOf)).toEqual([1, 2, 2, 2, 2, 2, 3, 4])
  await vi.waitFor(async () => {
    expect(await progressOf(opened.store)).toEqual({ cursor: 4, failures: 0, dueAt: 0 })
  }, until)
  expect(opened.logged.filter(({ event }) => event === 'webhook event given up')).toEqual([
    expect.objectContaining({ webhook: 'ops', id: 2, why: 'answered 422', givenUp: 1 }),
  ])
})

test('WH-06 the failures of a receiver that refuses everything add up over events, and over those for nobody', async () => {
  await using opened = await open()
  await using receiver = await openReceiver((response) => response.writeHead(401).end())
  await opened.put('ops', receiver.url)
  opened.happen('version.registered')
  opened.start()
  await vi.waitFor(async () => {
    opened.clock.now += 1000
    expect((await progressOf(opened.store))?.cursor).toBe(1)
  }, until)
  opened.happen('model.registered')
  await vi.waitFor(async () => expect((await progressOf(opened.store))?.cursor).toBe(2), until)
  expect(await progressOf(opened.store)).toMatchObject({ failures: 5, failingSince: expect.any(String), dueAt: 0 })
  expect(receiver.received).toHaveLength(5)
})

test.each([408, 410, 429, 503])('WH-06 an event that is answered %d is not given up', async (status) => {
  await using opened = await open()
  let calls = 0
  await using receiver = await openReceiver((response: ServerResponse) =>
    response.writeHead(++calls < 7 ? status : 204).end(),
  )
  await opened.put('ops', receiver.url)
  opened.happen('version.registered')
  opened.start()
  await vi.waitFor(async () => {
    opened.clock.now += 10_000
    expect((await progressOf(opened.store))?.cursor).toBe(1)
  }, until)
  expect(receiver.received).toHaveLength(7)
})

test('F-32 a receiver that fails every second call gets on without another look at all webhooks', async () => {
  await using opened = await open()
  let calls = 0
  await using receiver = await openReceiver((response) => response.writeHead(++calls % 2 ? 503 : 204).end())
  await opened.put('ops', receiver.url)
  opened.happen('version.registered', 6)
  const { store } = opened
  let looks = 0
  const webhooks = async () => (looks++ === 0 ? await store.webhooks.webhooks() : [])
  opened.start({ ...store, webhooks: { ...store.webhooks, webhooks } })
  await vi.waitFor(() => expect(receiver.received).toHaveLength(12), until)
  expect(receiver.received.map(idOf)).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6])
})
