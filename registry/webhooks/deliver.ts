/**
 * Delivery of events to webhooks: in order and at least once each. A webhook's place in the log of events is its queue, and
 * stands in its row with the next try, so a registry that was killed goes on there. One call at a time a webhook; none waits
 * for another.
 */
import type { CloudEvent } from '../../runtime/contract/events.ts'
import { toCloudEvent } from '../events/cloud-event.ts'
import type { EventRecord } from '../store/events.ts'
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
const batch = 100

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
      const { cursor }: Progress = webhook.progress
      const events: EventRecord[] = await store.events.events({ after: cursor, limit: batch })
      const last = events.at(-1)
      if (last === undefined) return
      for (const event of events) {
        if (!(await isFor(store, webhook, event))) continue
        webhook = await deliverOne(options, webhook, event, signal)
        if (webhook === undefined) return
      }
      if (webhook.progress.cursor < last.id) {
        webhook = await store.webhooks.note(webhook, { ...webhook.progress, cursor: last.id })
      }
    }
  } catch (thrown) {
    log({ level: 'error', event: 'webhook not served', webhook: first.name, cause: String(thrown) })
  }
}

/** What it lists, and alarms of monitors that name it now. */
async function isFor(store: Store, { name, events }: WebhookRecord, event: EventRecord): Promise<boolean> {
  const { type, about, subject } = event
  if (events.includes(type)) return true
  if (!/\.(detected|cleared)$/.test(type) || !('endpoint' in about) || subject === undefined) return false
  const monitor = await store.monitors.monitor(about.endpoint, subject)
  return monitor?.tell?.includes(name) ?? false
}

/** The webhook as it is then; undefined where it is not to go on now. */
async function deliverOne(
  { store, addresses, now, log }: DeliveryOptions,
  webhook: WebhookRecord,
  event: EventRecord,
  signal: AbortSignal,
): Promise<WebhookRecord | undefined> {
  const { name, url, secret } = webhook
  const told: CloudEvent = toCloudEvent(event)
  const body = JSON.stringify(told)
  const headers = {
    'content-type': 'application/cloudevents+json',
    'content-length': String(Buffer.byteLength(body)),
    ...signedHeaders(secret, told.id, now(), body),
  }
  const why = await send(addresses, { url, headers, body }, signal)
  if (why === undefined) {
    return await store.webhooks.note(webhook, { cursor: event.id, failures: 0, dueAt: 0 })
  }
  if (signal.aborted) return undefined
  const progress = afterFailure(webhook.progress, now())
  const { failures, failingSince, pausedAt } = progress
  log({ level: 'warn', event: 'webhook failed', webhook: name, id: told.id, why, failures, paused: !!pausedAt })
  const paused = pausedAt !== undefined && {
    type: 'webhook.paused' as const,
    at: pausedAt,
    about: { webhook: name },
    data: { failures, failingSince, why },
  }
  await store.webhooks.note(webhook, progress, paused || undefined)
  return undefined
}
