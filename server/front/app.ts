/** The HTTP app of the scoring plane (design, section 8): it routes bytes to a Scoring and never looks into a body. */
import { type Context, Hono } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import { bodyLimitBytes, errorAnswer, type HttpAnswer, jsonAnswer } from '../http-answer.ts'
import type { EndpointState, ScoredAnswer, Scoring } from '../scoring.ts'
import { openBudget } from './budget.ts'
import type { Exchange } from './exchange.ts'
import { commonHeaders, preflightHeaders } from './headers.ts'
import { modelMetadata, serverMetadata } from './metadata.ts'
import { openMetrics } from './metrics.ts'
import { readRequest, readVersion } from './request.ts'

export interface AppOptions {
  scoring: Scoring
  exchange: Exchange
  /** Bytes of bodies held at once, over all requests; beyond them requests are answered `QUEUE_FULL`. */
  mostBodyBytes: number
  /** Whether an `Authorization` header is good for anything but health; everybody may call where absent. */
  isCaller?: ((authorization: string | undefined) => boolean) | undefined
}

type Handler = (c: Context) => Response | Promise<Response>

export function createApp({ scoring, exchange, mostBodyBytes, isCaller = () => true }: AppOptions): Hono {
  const app = new Hono()
  const budget = openBudget(mostBodyBytes)
  const metrics = openMetrics()

  function reply(c: Context, answer: HttpAnswer): Response {
    return exchange.answer(c, { ...answer, headers: { ...commonHeaders, ...answer.headers } })
  }

  function named(c: Context): { name: string; state: EndpointState } {
    const name = c.req.param('endpoint') ?? ''
    const state = scoring.endpoint(name)
    if (state !== undefined) return { name, state }
    throw new SelvedgeError('ENDPOINT_UNKNOWN', `no endpoint ${JSON.stringify(name.slice(0, 128))} is served here`)
  }

  const live = (c: Context) => reply(c, jsonAnswer({ live: true }))
  const ready = (c: Context) => {
    if (scoring.isReady) return reply(c, jsonAnswer({ ready: true }))
    const missing = scoring.endpoints.filter((name) => !scoring.endpoint(name)?.isReady)
    const error = missing.length === 0 ? 'the registry was not reached yet' : `not loaded yet: ${missing.join(', ')}`
    return reply(c, jsonAnswer({ ready: false, error }, 503))
  }

  const metadata = (c: Context) => {
    const { name, state } = named(c)
    return reply(c, jsonAnswer(modelMetadata(name, state, readVersion(c))))
  }

  const modelReady = (c: Context) => {
    const { name, state } = named(c)
    const version = readVersion(c)
    const isReady =
      state.isReady && (version === undefined || state.deployments.some((each) => each.version === version))
    return reply(c, jsonAnswer({ name, ready: isReady }, isReady ? 200 : 503))
  }

  async function asked(type: 'infer' | 'score', c: Context, name: string): Promise<ScoredAnswer> {
    const meta = readRequest(c, exchange, name)
    // What would be refused anyway is refused before its body takes memory.
    scoring.admit(meta)
    return await budget.during(async (take) => {
      const body = await exchange.body(c, bodyLimitBytes(type === 'score' ? undefined : meta.headerLength), take)
      return await scoring.ask(type, meta, body, exchange.signal(c))
    })
  }

  const ask = (type: 'infer' | 'score') => async (c: Context) => {
    const { name } = named(c)
    const began = performance.now()
    const answer: ScoredAnswer = await asked(type, c, name).catch(errorAnswer)
    const { status, headers, by } = answer
    metrics.observe({ endpoint: name, status, code: headers['selvedge-error'], ms: performance.now() - began, by })
    return reply(c, answer)
  }

  const forCallers =
    (handler: Handler): Handler =>
    (c) => {
      if (isCaller(exchange.header(c, 'authorization'))) return handler(c)
      const refusal = errorAnswer(new SelvedgeError('UNAUTHENTICATED', 'this server answers callers with a token'))
      refusal.headers['www-authenticate'] = 'Bearer'
      return reply(c, refusal)
    }

  const health: [path: string, handler: Handler][] = [
    ['/healthz', live],
    ['/readyz', ready],
    ['/v2/health/live', live],
    ['/v2/health/ready', ready],
  ]
  const routes: [method: 'GET' | 'POST', path: string, handler: Handler][] = [
    ['GET', '/metrics', (c) => reply(c, metrics.answer(scoring, budget.bytes))],
    ['GET', '/v2', (c) => reply(c, jsonAnswer(serverMetadata(scoring)))],
    ['GET', '/v2/models', (c) => reply(c, jsonAnswer({ models: scoring.endpoints }))],
    ...['/v2/models/:endpoint', '/v2/models/:endpoint/versions/:version'].flatMap((model): typeof routes => [
      ['GET', model, metadata],
      ['GET', `${model}/ready`, modelReady],
      ['POST', `${model}/infer`, ask('infer')],
      ['POST', `${model}/score`, ask('score')],
    ]),
  ]
  for (const [path, handler] of health) app.get(path, handler)
  for (const [method, path, handler] of routes) app.on(method, path, forCallers(handler))

  app.options('*', (c) => reply(c, { status: 204, headers: { ...preflightHeaders }, body: new Uint8Array(0) }))
  for (const [method, path] of [...health.map(([path]) => ['GET', path] as const), ...routes]) {
    app.all(path, (c) => {
      const refusal = errorAnswer(new SelvedgeError('METHOD_NOT_ALLOWED', `${c.req.method} is not for this address`))
      refusal.headers.allow = method === 'GET' ? 'GET, HEAD' : method
      return reply(c, refusal)
    })
  }
  app.notFound((c) => reply(c, errorAnswer(new SelvedgeError('NOT_FOUND', 'nothing is at this address'))))
  app.onError((error, c) => reply(c, errorAnswer(error)))
  return app
}
