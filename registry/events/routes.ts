/** Events over HTTP: pages by cursor, or a stream. An event's id is a cursor, so a follower goes on where it was. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { page } from '../../runtime/contract/control.ts'
import { cloudEvent, eventType } from '../../runtime/contract/events.ts'
import { name } from '../../runtime/contract/names.ts'
import { seesEndpoint, seesModel } from '../auth/scope.ts'
import type { AppEnv, Caller, Services } from '../http/env.ts'
import { jsonAnswer } from '../http/openapi.ts'
import { pageQuery } from '../http/pages.ts'
import type { EventRecord, EventsPage } from '../store/events.ts'
import { toCloudEvent } from './cloud-event.ts'

const cursor = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number)

const list = createRoute({
  method: 'get',
  path: '/api/v1/events',
  summary: 'What happened, oldest first; with Accept: text/event-stream, what happens from now or Last-Event-ID on',
  request: {
    query: pageQuery.extend({
      cursor: cursor.optional().openapi({ type: 'string', description: 'id of the last event that was read' }),
      endpoint: name.optional(),
      type: eventType.optional(),
    }),
    headers: z.object({ 'last-event-id': cursor.optional().openapi({ type: 'string' }) }),
  },
  responses: {
    200: {
      description: 'CloudEvents 1.0',
      content: {
        ...jsonAnswer(page(cloudEvent)).content,
        'text/event-stream': { schema: z.string() },
      },
    },
  },
})

export function eventRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { store, feed } = services

  app.openapi(list, async (c) => {
    const { cursor, limit, endpoint, type } = c.req.valid('query')
    const caller = c.get('caller')
    const wanted = { endpoint, type }
    if (!isStream(c.req.header('accept'))) {
      const { seen } = await readSeen(services, caller, { ...wanted, after: cursor ?? 0, limit: limit + 1 })
      const items = seen.slice(0, limit).map(toCloudEvent)
      const last = items.at(-1)
      return c.json({ items, ...(seen.length > limit && last && { nextCursor: last.id }) }, 200)
    }
    const after = c.req.valid('header')['last-event-id'] ?? cursor ?? (await store.events.newest())
    const read = async (after: number) => {
      const { seen, last } = await readSeen(services, caller, { ...wanted, after, limit: streamBatch })
      return { events: seen.map(toCloudEvent), last }
    }
    return c.body(feed.follow(after, read, c.req.raw.signal), 200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      // Kept alive after the stream, it would hold up the end of the registry.
      connection: 'close',
    })
  })
}

const streamBatch = 100

// A quality of 0 or a list of many types is nobody's way to ask for a stream.
function isStream(accept = ''): boolean {
  return accept.split(',').some((type) => type.trim().toLowerCase().startsWith('text/event-stream'))
}

/** What the caller sees of the events after one, and the last that was looked at. */
async function readSeen(services: Services, caller: Caller | undefined, page: EventsPage) {
  const seen: EventRecord[] = []
  let last = page.after
  for (;;) {
    const events = await services.store.events.events({ ...page, after: last })
    for (const event of events) {
      if (seen.length === page.limit) return { seen, last }
      last = event.id
      if (await isSeen(services, caller, event)) seen.push(event)
    }
    if (events.length < page.limit) return { seen, last }
  }
}

async function isSeen({ store }: Services, caller: Caller | undefined, { about }: EventRecord): Promise<boolean> {
  if (caller?.models === undefined) return true
  if ('model' in about) return seesModel(caller, about.model)
  if ('webhook' in about) return false
  const state = await store.endpoints.endpoint(about.endpoint)
  return state !== undefined && seesEndpoint(caller, state)
}
