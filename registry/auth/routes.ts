/** Tokens over HTTP, for admins. */
import { randomUUID } from 'node:crypto'
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { createdToken, page, token, tokenBody } from '../../runtime/contract/control.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { jsonAnswer, jsonRequest } from '../http/openapi.ts'
import { pageOf, pageQuery, positionOf } from '../http/pages.ts'
import { createSecret, hashSecret } from './tokens.ts'

const create = createRoute({
  method: 'post',
  path: '/api/v1/tokens',
  summary: 'Make a token; its secret is shown once',
  request: { body: jsonRequest(tokenBody) },
  responses: { 201: jsonAnswer(createdToken) },
})

const list = createRoute({
  method: 'get',
  path: '/api/v1/tokens',
  summary: 'Tokens in force',
  request: { query: pageQuery },
  responses: { 200: jsonAnswer(page(token)) },
})

const revoke = createRoute({
  method: 'delete',
  path: '/api/v1/tokens/{token}',
  summary: 'Revoke a token at once',
  request: { params: z.object({ token: z.uuid() }) },
  responses: { 204: { description: 'Revoked' } },
})

const listed = ['tokens']

export function tokenRoutes(app: OpenAPIHono<AppEnv>, { store, now, log }: Services): void {
  app.openapi(create, async (c) => {
    const { role, name, models } = c.req.valid('json')
    const secret = createSecret(role)
    const id = randomUUID()
    const made = await store.tokens.create(
      { id, name, role, models, hash: hashSecret(secret) },
      new Date(now()).toISOString(),
    )
    log({ level: 'info', event: 'token created', id, role, models })
    return c.json({ ...made, secret }, 201, { 'cache-control': 'no-store' })
  })
  app.openapi(list, async (c) => {
    const { cursor, limit } = c.req.valid('query')
    const after = positionOf(listed, cursor, z.string())
    const items = await store.tokens.tokens({ after, limit: limit + 1 })
    return c.json(
      pageOf(items, limit, listed, (last) => last.id),
      200,
    )
  })
  app.openapi(revoke, async (c) => {
    const { token: id } = c.req.valid('param')
    const revoked = await store.tokens.revoke(id, new Date(now()).toISOString())
    if (!revoked) throw new SelvedgeError('NOT_FOUND', `there is no token ${id}`)
    log({ level: 'info', event: 'token revoked', id })
    return c.body(null, 204)
  })
}
