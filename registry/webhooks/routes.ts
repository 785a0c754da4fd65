/** Webhooks over HTTP, for admins. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { page } from '../../runtime/contract/control.ts'
import { name } from '../../runtime/contract/names.ts'
import { createdWebhook, type Webhook, webhook, webhookBody } from '../../runtime/contract/webhooks.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { jsonAnswer, jsonRequest } from '../http/openapi.ts'
import type { WebhookRecord } from '../store/webhooks.ts'
import { createSecret } from './signature.ts'

const create = createRoute({
  method: 'post',
  path: '/api/v1/webhooks',
  summary: 'Make a webhook, whose secret is shown once; one of this name gets a new secret and is tried again',
  request: { body: jsonRequest(webhookBody) },
  responses: { 200: jsonAnswer(createdWebhook, 'It was there'), 201: jsonAnswer(createdWebhook, 'Made') },
})

const list = createRoute({
  method: 'get',
  path: '/api/v1/webhooks',
  summary: 'Webhooks by name, and whether they come through',
  responses: { 200: jsonAnswer(page(webhook)) },
})

const remove = createRoute({
  method: 'delete',
  path: '/api/v1/webhooks/{webhook}',
  summary: 'Remove a webhook that no monitor tells',
  request: { params: z.object({ webhook: name }) },
  responses: { 204: { description: 'Removed' } },
})

export function webhookRoutes(app: OpenAPIHono<AppEnv>, { store, addresses, now, log }: Services): void {
  app.openapi(create, async (c) => {
    const body = c.req.valid('json')
    await addresses.demand(body.url)
    const secret = createSecret()
    const { webhook, made } = await store.webhooks.put({ ...body, secret }, new Date(now()).toISOString())
    log({ level: 'info', event: made ? 'webhook created' : 'webhook changed', webhook: body.name })
    return c.json({ ...toWebhook(webhook), secret }, made ? 201 : 200, { 'cache-control': 'no-store' })
  })
  app.openapi(list, async (c) => {
    return c.json({ items: (await store.webhooks.webhooks()).map(toWebhook) }, 200)
  })
  app.openapi(remove, async (c) => {
    const { webhook } = c.req.valid('param')
    const removed = await store.webhooks.remove(webhook)
    if (!removed) throw new SelvedgeError('NOT_FOUND', `there is no webhook ${webhook}`)
    log({ level: 'info', event: 'webhook removed', webhook })
    return c.body(null, 204)
  })
}

function toWebhook({ name, url, events, createdAt, progress }: WebhookRecord): Webhook {
  const { failingSince, pausedAt } = progress
  return {
    name,
    url,
    events: [...events],
    createdAt,
    ...(failingSince !== undefined && { failingSince }),
    ...(pausedAt !== undefined && { pausedAt }),
  }
}
