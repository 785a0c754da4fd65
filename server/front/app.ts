/** The HTTP app of the scoring plane (design, section 8): it routes bytes to a Scoring and never looks into a body. */
import { type Context, Hono } from 'hono'
import { joinBytes } from '../../runtime/bytes.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { bodyLimitBytes, errorAnswer, type HttpAnswer, jsonAnswer } from '../http-answer.ts'
import type { EndpointState, ScoredAnswer, Scoring } from '../scoring.ts'
import { openBudget } from './budget.ts'
import { type Compat, compatError, readCompat } from './compat.ts'
import type { Exchange } from './exchange.ts'
import { commonHeaders, preflightHeaders } from './headers.ts'
import { modelMetadata, serverMetadata } from './metadata.ts'
import { openMetrics } from './metrics.ts'
import { modelConfiguration, repositoryIndex } from './repository.ts'
import { readRequest, readVersion } from './request.ts'
import { openStatistics } from './statistics.ts'
import type { Traces } from './traces.ts'

export interface AppOptions {
  scoring: Scoring
  exchange: Exchange
  /** Bytes of bodies held at once, over all requests; beyond them requests are answered `QUEUE_FULL`. */
  mostBodyBytes: number
  /** Whether an `Authorization` header is good for anything but health; everybody may call where absent. */
  isCaller?: ((authorization: string | undefined) => boolean) | undefined
  /** For every request that does not say so itself. */
  compat?: Compat
  traces?: Traces | undefined
}

const noBytes = new Uint8Array(0)

type Handler = (c: Context) => Response | Promise<Response>

export function createApp({
  scoring,
  exchange,
  mostBodyBytes,
  isCaller = () => true,
  compat,
  traces,
}: AppOptions): Hono {
  const app = new Hono()
  const budget = openBudget(mostBodyBytes)
  const metrics = openMetrics()
  const statistics = openStatistics()

  function reply(c: Context, answer: HttpAnswer): Response {
    return exchange.answer(c, { ...answer, headers: { ...commonHeaders, ...answer.headers } })
  }

  function named(c: Context): { name: string; state: EndpointState } {
    const name = c.req.param('endpoint') ?? ''
    const state = scoring.endpoint(name)
    if (state !== undefined) return { name, state }
    const unknown = `no endpoint ${JSON.stringify(name.slice(0, 128))} is served here`
    const refusal = new SelvedgeError('ENDPOINT_UNKNOWN', unknown)
    throw compatError(refusal, readCompat(c, exchange, compat), name.slice(0, 128))
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

  const statisticsOf = (name: string) =>
    statistics.of(name, scoring.endpoint(name)?.deployments.map(({ version }) => version) ?? [])

  const stats = (c: Context) => {
    const { name } = named(c)
    const version = readVersion(c)
    const all = statisticsOf(name)
    const found = version === undefined ? all : all.filter((each) => each.version === String(version))
    if (version === undefined || found.length > 0) return reply(c, jsonAnswer({ model_stats: found }))
    throw new SelvedgeError('DEPLOYMENT_UNKNOWN', `${name} serves no version ${version}`, { version })
  }

  const allStats = (c: Context) => reply(c, jsonAnswer({ model_stats: scoring.endpoints.flatMap(statisticsOf) }))

  const index = async (c: Context) => {
    const body =
      c.req.method === 'POST' ? joinBytes(await exchange.body(c, limits.controlBodyBytes, () => undefined)) : noBytes
    return reply(c, jsonAnswer(repositoryIndex(scoring, body)))
  }

  const configuration = (c: Context) => {
    const { name } = named(c)
    return reply(c, jsonAnswer(modelConfiguration(scoring, name, readVersion(c))))
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
    const trace = traces?.begin(`/v2/models/{endpoint}/${type}`, (header) => exchange.header(c, header))
    const answer: ScoredAnswer = await asked(type, c, name).catch(errorAnswer)
    const { status, headers, by, codec } = answer
    const observed = { endpoint: name, status, code: headers['selvedge-error'], ms: performance.now() - began, by }
    metrics.observe(observed)
    statistics.observe({ ...observed, codec })
    trace?.end(observed)
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
    ['GET', '/v2', (c) => reply(c, jsonAnswer(serverMetadata(scoring, readCompat(c, exchange, compat))))],
    ['GET', '/v2/models/stats', allStats],
    ['GET', '/v2/repository/index', index],
    ['POST', '/v2/repository/index', index],
    ['GET', '/v2/models', (c) => reply(c, jsonAnswer({ models: scoring.endpoints }))],
    ...['/v2/models/:endpoint', '/v2/models/:endpoint/versions/:version'].flatMap((model): typeof routes => [
      ['GET', model, metadata],
      ['GET', `${model}/ready`, modelReady],
      ['GET', `${model}/stats`, stats],
      ['GET', `${model}/config`, configuration],
      ['POST', `${model}/infer`, ask('infer')],
      ['POST', `${model}/score`, ask('score')],
    ]),
  ]
  for (const [path, handler] of health) app.get(path, handler)
  for (const [method, path, handler] of routes) app.on(method, path, forCallers(handler))

  app.options('*', (c) => reply(c, { status: 204, headers: { ...preflightHeaders }, body: noBytes }))
  const methods = new Map<string, string[]>()
  for (const [method, path] of [...health.map(([path]) => ['GET', path] as const), ...routes]) {
    methods.set(path, [...(methods.get(path) ?? []), ...(method === 'GET' ? ['GET', 'HEAD'] : [method])])
  }
  for (const [path, allowed] of methods) {
    app.all(path, (c) => {
      const refusal = errorAnswer(new SelvedgeError('METHOD_NOT_ALLOWED', `${c.req.method} is not for this address`))
      refusal.headers.allow = allowed.join(', ')
      return reply(c, refusal)
    })
  }
  app.notFound((c) => reply(c, errorAnswer(new SelvedgeError('NOT_FOUND', 'nothing is at this address'))))
  app.onError((error, c) => reply(c, errorAnswer(error)))
  return app
}
