/** The plan over HTTP: at once, or when there is news (long poll). And the keys that sign it. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { keys } from '../../runtime/contract/control.ts'
import { name } from '../../runtime/contract/names.ts'
import { limits } from '../../runtime/limits.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { invalidRequest } from '../http/errors.ts'
import { jsonAnswer } from '../http/openapi.ts'
import { answerBare } from '../http/socket.ts'
import type { Plans, SignedPlan } from './plans.ts'

const query = z.strictObject({
  wait: z.coerce
    .number()
    .int()
    .min(0)
    .max(limits.longPollMs / 1000)
    .default(0)
    .describe('seconds'),
  after: z.coerce.number().int().min(0).optional().describe('revision that the caller has'),
})

const getPlan = createRoute({
  method: 'get',
  path: '/api/v1/endpoints/{endpoint}/plan',
  summary: 'The signed plan; with wait and after, answered when a newer one is there or with 304',
  request: { params: z.object({ endpoint: name }), query },
  responses: {
    200: { description: 'Compact JWS, EdDSA', content: { 'application/jose': { schema: z.string() } } },
    304: { description: 'Nothing newer' },
  },
})

const getKeys = createRoute({
  method: 'get',
  path: '/api/v1/keys',
  summary: 'Keys that sign plans now, to pin in hosts',
  responses: { 200: jsonAnswer(keys) },
})

export function planRoutes(app: OpenAPIHono<AppEnv>, { plans, key, baseOf }: Services): void {
  app.openapi(getKeys, (c) => c.json({ keys: [{ kid: key.kid, key: key.pin }] }, 200))

  // Every host asks every few seconds: the validators that a route is given by openapi() would take a third of an answer.
  app.openAPIRegistry.registerPath(getPlan)
  app.get(getPlan.getRoutingPath(), async (c) => {
    const endpoint = parse('param', name, c.req.param('endpoint'))
    const { wait, after } = c.req.url.includes('?') ? parse('query', query, c.req.query()) : asksNow
    const base = baseOf(c.req.url)
    const held = heldBy(c.req.header('if-none-match'), after)
    const plan = await newsOf(plans, endpoint, { base, held, waitMs: wait * 1000, signal: () => c.req.raw.signal })
    const headers = {
      etag: plan.etag,
      'cache-control': wait > 0 ? 'no-store' : 'max-age=5, stale-while-revalidate=60',
    }
    if (held(plan)) return answerBare(c, 304, headers)
    return c.body(plan.jws, 200, { ...headers, 'content-type': 'application/jose' })
  })
}

const asksNow: z.infer<typeof query> = { wait: 0 }

function parse<T>(where: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalidRequest(where, parsed.error)
}

interface Asked {
  base: string
  held(plan: SignedPlan): boolean
  waitMs: number
  /** Making it costs more than the rest of an answer that is given at once. */
  signal(): AbortSignal
}

async function newsOf(plans: Plans, endpoint: string, { base, held, waitMs, signal }: Asked): Promise<SignedPlan> {
  if (waitMs === 0) return await plans.signed(endpoint, base)
  // Watched before it is read, or a change in between would wake nobody.
  const waiting = plans.watch(endpoint, waitMs, signal())
  try {
    const plan = await plans.signed(endpoint, base)
    if (!held(plan)) return plan
    await waiting.news
    return await plans.signed(endpoint, base)
  } finally {
    waiting.close()
  }
}

// A plan that was signed anew has the revision that the caller has, and another ETag.
function heldBy(etag: string | undefined, after: number | undefined): (plan: SignedPlan) => boolean {
  if (etag !== undefined) {
    const held = etag.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
    return (plan) => held.includes(plan.etag)
  }
  return (plan) => after !== undefined && plan.revision <= after
}
