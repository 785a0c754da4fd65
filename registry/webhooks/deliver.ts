/**
 * Delivery of events to webhooks: in order and at least once each. A webhook's place in the log of events is its queue, and
 * stands in its row with the next try, so a registry that was killed goes on there. One call at a time a webhook; none waits
 * for another.
 */
import { setTimeout as later, setImmediate as othersTurn } from 'node:timers/promises'
import type { CloudEvent } from '../../runtime/contract/events.ts'
import { toCloudEvent } from '../events/cloud-event.ts'
import type { EventRecord, NewEvent } from '../store/events.ts'
import type { Store } from '../store/store.ts'
import type { Progress, WebhookRecord } from '../store/webhooks.ts'
import type { Addresses } from './address.ts'
import { afterFailure } from './backoff.ts'
import { type Failed, send } from './send.ts'
import { signedHeaders } from './signature.ts'

export interface Deliveries {
  /** Settles once no call is under way; those that are given up are made again by the next registry. */
  close(): Promise<void>
}

export interface DeliveryOptions {
  store: Store
  addresses: Addresses
  now(): number
  log(entry: Record<string, unknown>): void
}

const everyMs = 500
const batch = 500
const mostUnnotedMs = 1000
const mostTurnMs = 20
const mostRefusals = 5

/** What a registry knows of a webhook beside its row, until it is put again. */
interface Memory {
  secret: string
  /** Where its row could not be written: a full disk must not send the same again and again. */
  unnoted?: Progress | undefined
  /** How often the event was refused in a row. */
  refused: { event: number; times: number }
  /** Events so far. */
  givenUp: number
}

interface Delivery extends DeliveryOptions {
  memory: Memory
  signal: AbortSignal
  /** Settles when everyone else had a turn: reads of the store alone never leave the event loop. */
  turn(): Promise<void>
}

export function openDeliveries(options: DeliveryOptions): Deliveries {
  const { store, now, log } = options
  const closing = new AbortController()
  const running = new Map<string, Promise<void>>()
  let memories = new Map<string, Memory>()
  let timer: NodeJS.Timeout | undefined

  let turns = Promise.resolve()
  // One after another, so that many webhooks are not one long turn.
  function turn(): Promise<void> {
    turns = turns.then(() => othersTurn())
    return turns
  }

  function memoryOf({ name, secret }: WebhookRecord): Memory {
    const memory = memories.get(name)
    return memory?.secret === secret ? memory : { secret, refused: { event: 0, times: 0 }, givenUp: 0 }
  }

  async function startDue(): Promise<void> {
    try {
      const webhooks = await store.webhooks.webhooks()
      memories = new Map(webhooks.map((webhook) => [webhook.name, memoryOf(webhook)]))
      for (const webhook of webhooks) {
        const { name, progress } = webhook
        const memory = memoryOf(webhook)
        const dueAt = Math.max(progress.dueAt, memory.unnoted?.dueAt ?? 0)
        const isDue = progress.pausedAt === undefined && dueAt <= now()
        if (!isDue || running.has(name) || closing.signal.aborted) continue
        const delivery: Delivery = { ...options, memory, signal: closing.signal, turn }
        running.set(
          name,
          deliver(delivery, webhook).finally(() => running.delete(name)),
        )
      }
    } catch (thrown) {
      log({ level: 'error', event: 'webhooks not looked at', cause: String(thrown) })
    }
  }

  async function run(): Promise<void> {
    await startDue()
    if (closing.signal.aborted) return
    timer = setTimeout(() => {
      looking = run()
    }, everyMs)
    timer.unref()
  }
  let looking = run()

  return {
    async close() {
      closing.abort()
      clearTimeout(timer)
      await looking
      await Promise.all(running.values())
    },
  }
}

/** Until nothing is left, the next try is far, or someone changed it. */
async function deliver(delivery: Delivery, first: WebhookRecord): Promise<void> {
  const { store, memory, signal, now, log, turn } = delivery
  try {
    let webhook: WebhookRecord | undefined = first
    while (webhook !== undefined && !signal.aborted) {
      await turn()
      const events: EventRecord[] = await store.events.events({ after: webhook.progress.cursor, limit: batch })
      if (events.length === 0) return
      const { progress, why }: Run = await deliverSome(delivery, webhook, events)
      webhook =
        why === undefined
          ? await store.webhooks.note(webhook, progress)
          : await noteFailure(delivery, webhook, progress, why)
      memory.unnoted = undefined
      const waitMs = (webhook?.progress.dueAt ?? 0) - now()
      if (waitMs > everyMs || webhook?.progress.pausedAt !== undefined) return
      // It rejects when the registry closes, which the loop sees.
      if (waitMs > 0) await later(waitMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  } catch (thrown) {
    memory.unnoted = afterFailure(memory.unnoted ?? first.progress, now())
    log({ level: 'error', event: 'webhook not served', webhook: first.name, cause: String(thrown) })
  }
}

interface Run {
  progress: Progress
  /** What is in the way of the next event. */
  why?: string
}

/** A second of them at most: so much comes again after a crash, since a write for each would cost more than the call. */
async function deliverSome(delivery: Delivery, webhook: WebhookRecord, events: readonly EventRecord[]): Promise<Run> {
  const { store, signal, turn } = delivery
  let { progress } = webhook
  const began = performance.now()
  let turnBegan = began
  for (const event of events) {
    if (performance.now() - began > mostUnnotedMs) break
    if (performance.now() - turnBegan > mostTurnMs) {
      await turn()
      turnBegan = performance.now()
    }
    if (!(await isFor(store, webhook, event))) {
      progress = afterSkip(progress, event)
      continue
    }
    // No call to one that was removed or has moved; what is noted then is dropped.
    if (!(await store.webhooks.isCurrent(webhook))) break
    const failed = await call(delivery, webhook, event)
    if (failed === undefined) {
      progress = { cursor: event.id, failures: 0, dueAt: 0 }
      continue
    }
    // What was given up says nothing of the receiver.
    if (signal.aborted) return { progress }
    const after = afterRefusal(delivery, webhook, event, progress, failed)
    if (after === undefined) return { progress, why: failed.why }
    progress = after
  }
  return { progress }
}

/** What failed and is for it no longer is in nobody's way, and says nothing of later events. */
function afterSkip(progress: Progress, { id }: EventRecord): Progress {
  return progress.dueAt > 0 ? { cursor: id, failures: 0, dueAt: 0 } : { ...progress, cursor: id }
}

/**
 * Past an event that is given up, or undefined while it is tried again. The failures stay, so that a receiver which refuses
 * whatever comes loses one event after ever longer waits and is paused, and one that takes the next is as before.
 */
function afterRefusal(
  { memory, now, log }: Delivery,
  { name }: WebhookRecord,
  { id, type }: EventRecord,
  progress: Progress,
  { why, isRefusal }: Failed,
): Progress | undefined {
  const times = memory.refused.event === id ? memory.refused.times : 0
  memory.refused = { event: id, times: isRefusal ? times + 1 : 0 }
  const { failures, failingSince, pausedAt } = afterFailure(progress, now())
  if (memory.refused.times < mostRefusals || pausedAt !== undefined) return undefined
  memory.givenUp += 1
  const { givenUp } = memory
  log({ level: 'warn', event: 'webhook event given up', webhook: name, id, type, why, givenUp })
  return { cursor: id, failures, failingSince, dueAt: 0 }
}

/** What it lists, and alarms of monitors that name it now. */
async function isFor(store: Store, { name, events }: WebhookRecord, event: EventRecord): Promise<boolean> {
  const { type, about, subject } = event
  if (events.includes(type)) return true
  if (!/\.(detected|cleared)$/.test(type) || !('endpoint' in about) || subject === undefined) return false
  const monitor = await store.monitors.monitor(about.endpoint, subject)
  return monitor?.tell?.includes(name) ?? false
}

async function call(
  { addresses, now, signal }: Delivery,
  { url, secret }: WebhookRecord,
  event: EventRecord,
): Promise<Failed | undefined> {
  const told: CloudEvent = toCloudEvent(event)
  const body = JSON.stringify(told)
  const headers = {
    'content-type': 'application/cloudevents+json',
    'content-length': String(Buffer.byteLength(body)),
    ...signedHeaders(secret, told.id, now(), body),
  }
  return await send(addresses, { url, headers, body }, signal)
}

async function noteFailure(
  { store, now, log }: Delivery,
  webhook: WebhookRecord,
  before: Progress,
  why: string,
): Promise<WebhookRecord | undefined> {
  const { name } = webhook
  const progress = afterFailure(before, now())
  const { failures, failingSince, pausedAt } = progress
  log({ level: 'warn', event: 'webhook failed', webhook: name, why, failures, paused: pausedAt !== undefined })
  const data = { failures, failingSince, why }
  const paused: NewEvent | undefined =
    pausedAt === undefined ? undefined : { type: 'webhook.paused', at: pausedAt, about: { webhook: name }, data }
  return await store.webhooks.note(webhook, progress, paused)
}
