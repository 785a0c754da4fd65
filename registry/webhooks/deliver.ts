/**
 * Delivery of events to webhooks: in order and at least once each. A webhook's place in the log of events is its queue, and
 * stands in its row with the next try, so a registry that was killed goes on there. One call at a time a webhook; none waits
 * for another.
 */
import type { CloudEvent } from '../../runtime/contract/events.ts'
import { toCloudEvent } from '../events/cloud-event.ts'
import type { EventRecord, NewEvent } from '../store/events.ts'
import type { Store } from '../store/store.ts'
import type { Progress, WebhookRecord } from '../store/webhooks.ts'
import type { Addresses } from './address.ts'
import { afterFailure } from './backoff.ts'
import { send } from './send.ts'
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

export function openDeliveries(options: DeliveryOptions): Deliveries {
  const closing = new AbortController()
  const running = new Map<string, Promise<void>>()
  let timer: NodeJS.Timeout | undefined

  async function startDue(): Promise<void> {
    try {
      for (const webhook of await options.store.webhooks.webhooks()) {
        const { name, progress } = webhook
        const isDue = progress.pausedAt === undefined && progress.dueAt <= options.now()
        if (!isDue || running.has(name) || closing.signal.aborted) continue
        running.set(
          name,
          deliver(options, webhook, closing.signal).finally(() => running.delete(name)),
        )
      }
    } catch (thrown) {
      options.log({ level: 'error', event: 'webhooks not looked at', cause: String(thrown) })
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

/** Until nothing is left, one failed, or someone changed it. */
async function deliver(options: DeliveryOptions, first: WebhookRecord, signal: AbortSignal): Promise<void> {
  const { store, log } = options
  try {
    let webhook: WebhookRecord | undefined = first
    while (webhook !== undefined && !signal.aborted) {
      const events: EventRecord[] = await store.events.events({ after: webhook.progress.cursor, limit: batch })
      if (events.length === 0) return
      const { progress, why }: Run = await deliverSome(options, webhook, events, signal)
      if (why !== undefined) return await noteFailure(options, webhook, progress, why)
      webhook = await store.webhooks.note(webhook, progress)
    }
  } catch (thrown) {
    log({ level: 'error', event: 'webhook not served', webhook: first.name, cause: String(thrown) })
  }
}

interface Run {
  progress: Progress
  /** What is in the way of the next event. */
  why?: string
}

/** A second of them at most: so much comes again after a crash, since a write for each would cost more than the call. */
async function deliverSome(
  options: DeliveryOptions,
  webhook: WebhookRecord,
  events: readonly EventRecord[],
  signal: AbortSignal,
): Promise<Run> {
  let { progress } = webhook
  const began = performance.now()
  for (const event of events) {
    if (performance.now() - began > mostUnnotedMs) break
    if (!(await isFor(options.store, webhook, event))) {
      progress = { ...progress, cursor: event.id }
      continue
    }
    const why = await call(options, webhook, event, signal)
    // What was given up says nothing of the receiver.
    if (why !== undefined) return signal.aborted ? { progress } : { progress, why }
    progress = { cursor: event.id, failures: 0, dueAt: 0 }
  }
  return { progress }
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
  { addresses, now }: DeliveryOptions,
  { url, secret }: WebhookRecord,
  event: EventRecord,
  signal: AbortSignal,
): Promise<string | undefined> {
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
  { store, now, log }: DeliveryOptions,
  webhook: WebhookRecord,
  before: Progress,
  why: string,
): Promise<void> {
  const { name } = webhook
  const progress = afterFailure(before, now())
  const { failures, failingSince, pausedAt } = progress
  log({ level: 'warn', event: 'webhook failed', webhook: name, why, failures, paused: pausedAt !== undefined })
  const data = { failures, failingSince, why }
  const paused: NewEvent | undefined =
    pausedAt === undefined ? undefined : { type: 'webhook.paused', at: pausedAt, about: { webhook: name }, data }
  await store.webhooks.note(webhook, progress, paused)
}
