/** Events as the store keeps them: rows in the order in which what they tell was committed. */
import type { EventType } from '../../runtime/contract/events.ts'

export interface NewEvent {
  type: EventType
  /** RFC 3339. */
  at: string
  /** What it happened to. */
  about: { endpoint: string } | { model: string } | { webhook: string }
  /** The part of it: a version, alias, deployment, monitor or rollout. */
  subject?: string | undefined
  /** Small JSON values. */
  data: Readonly<Record<string, unknown>>
}

export interface EventRecord extends NewEvent {
  /** Rises with every event and is never given again. */
  id: number
}

export interface EventsPage {
  /** The last one that was read; 0 for none. */
  after: number
  endpoint?: string | undefined
  type?: EventType | undefined
  limit: number
}

/** Other parts of the store append within their own transactions; these are for what happens outside of any. */
export interface Events {
  append(event: NewEvent): Promise<void>
  /** Oldest first. */
  events(page: EventsPage): Promise<EventRecord[]>
  /** Id of the newest that ever was; 0 before the first. */
  newest(): Promise<number>
  /** Forgets what happened before the moment. */
  drop(before: string): Promise<void>
}
