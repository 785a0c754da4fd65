/** Webhooks as the store keeps them: each with its place in the log of events, which is all that is kept of its queue. */
import type { EventType } from '../../runtime/contract/events.ts'
import type { NewEvent } from './events.ts'

export interface NewWebhook {
  name: string
  url: string
  events: readonly EventType[]
  /** It signs, so it is kept as it is. Another with each put, which tells one from the next of its name. */
  secret: string
}

export interface WebhookRecord extends NewWebhook {
  /** RFC 3339. */
  createdAt: string
  /** Rises with every write, so that what was begun before one does not undo it. */
  changes: number
  progress: Progress
}

export interface Progress {
  /** Id of the last event that came through or was not for it. */
  cursor: number
  /** In a row, of the event after the cursor and of those before it that were given up. */
  failures: number
  /** RFC 3339. */
  failingSince?: string | undefined
  /** When it is tried next, ms since 1970; 0 unless the event after the cursor failed. */
  dueAt: number
  /** RFC 3339. */
  pausedAt?: string | undefined
}

export interface Webhooks {
  /**
   * A new one gets what happens from now on. One of this name is changed and tried again from where it was; `made` tells
   * which.
   *
   * @throws SelvedgeError `IN_USE` where there are as many as there may be
   */
  put(webhook: NewWebhook, now: string): Promise<{ webhook: WebhookRecord; made: boolean }>
  /** By name. */
  webhooks(): Promise<WebhookRecord[]>
  /** That it was neither changed nor removed since it was read. */
  isCurrent(webhook: WebhookRecord): Promise<boolean>
  /**
   * Notes how far it came, unless it was changed or removed since it was read; then undefined.
   *
   * @param event - that tells of it
   */
  note(webhook: WebhookRecord, progress: Progress, event?: NewEvent): Promise<WebhookRecord | undefined>
  /**
   * False where there is none.
   *
   * @throws SelvedgeError `IN_USE` while a monitor tells it
   */
  remove(name: string): Promise<boolean>
}
