/**
 * Events as they happen: a stream of server-sent events (WHATWG HTML, section 9.2), read from the store again and again.
 * Whoever follows reads on from the last id after a break, so an end costs nothing but a new request.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { CloudEvent } from '../../runtime/contract/events.ts'
import { SelvedgeError } from '../../runtime/errors.ts'

export interface Feed {
  /**
   * @param read - events after an id, and the last id that was looked at
   * @throws {@link SelvedgeError} `TOO_MANY_REQUESTS` where as many follow as may
   */
  follow(after: number, read: (after: number) => Promise<Batch>, signal: AbortSignal): ReadableStream<Uint8Array>
  /** Ends every stream; those that begin later end at once. */
  close(): void
}

export interface Batch {
  events: CloudEvent[]
  last: number
}

const pollMs = 250
/** A comment shows that the line is alive. */
const quietMs = 15_000
/** A token that was revoked meanwhile is seen when the follower asks anew. */
const lifeMs = 5 * 60_000
const mostFollowers = 100

export function openFeed(): Feed {
  const closing = new AbortController()
  const encoder = new TextEncoder()
  let followers = 0

  async function* messages(after: number, read: (after: number) => Promise<Batch>, signal: AbortSignal) {
    followers++
    try {
      for await (const message of follow(after, read, signal)) yield encoder.encode(message)
    } finally {
      followers--
    }
  }

  return {
    follow(after, read, signal) {
      if (followers >= mostFollowers) {
        throw new SelvedgeError('TOO_MANY_REQUESTS', `${mostFollowers} follow the events already`, { retryAfter: 1 })
      }
      const leaving = new AbortController()
      const ending = AbortSignal.any([signal, leaving.signal, closing.signal, AbortSignal.timeout(lifeMs)])
      return toStream(messages(after, read, ending), () => leaving.abort())
    },
    close: () => closing.abort(),
  }
}

async function* follow(after: number, read: (after: number) => Promise<Batch>, signal: AbortSignal) {
  let last = after
  let quietSince = performance.now()
  yield 'retry: 1000\n\n'
  while (!signal.aborted) {
    const batch = await read(last)
    last = batch.last
    if (batch.events.length > 0) {
      quietSince = performance.now()
      yield batch.events.map(toMessage).join('')
      continue
    }
    if (performance.now() - quietSince >= quietMs) {
      quietSince = performance.now()
      yield ':\n\n'
    }
    await delay(pollMs, undefined, { signal }).catch(() => undefined)
  }
}

function toMessage(event: CloudEvent): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

// Read when the follower is ready for more: a slow one never fills the memory, and one that never reads counts for none.
function toStream(messages: AsyncGenerator<Uint8Array>, leave: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      async pull(controller) {
        const next = await messages.next()
        if (next.done) controller.close()
        else controller.enqueue(next.value)
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  )
}
