/** The HTTP app over a Scoring that answers by itself: what comes in is written down. */
import { expect } from 'vitest'
import { joinBytes } from '../../../runtime/bytes.ts'
import type { Description } from '../../../runtime/contract/description.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { Answer } from '../../../runtime/scoring/scorer.ts'
import { type AppOptions, createApp } from '../../../server/front/app.ts'
import { webExchange } from '../../../server/front/exchange.ts'
import { jsonAnswer } from '../../../server/http-answer.ts'
import type { EndpointState, RequestMeta, Scoring } from '../../../server/scoring.ts'

export const description: Description = {
  inputs: [
    { name: 'x', datatype: 'FP32', shape: ['N', 1, 28, 28] },
    { name: 'any', datatype: 'INT64' },
  ],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 10] }],
  variants: [{ id: 'fp32', file: 'model.onnx', providers: ['cpu'] }],
}

const answeredBy: Answer = {
  deployment: 'blue',
  version: 3,
  variant: 'fp32',
  provider: 'cpu',
  why: 'it is the first',
  queueMs: 2,
  computeMs: 3,
  batch: { requests: 1, rows: 1, ownRows: 1, alone: 'idle' },
}

/** It serves nothing. */
export const idleScoring: Scoring = {
  endpoints: [],
  endpoint: () => undefined,
  isReady: true,
  guard: 'none',
  scorerCount: 1,
  restarts: 0,
  memory: [],
  waiting: () => 0,
  admit: () => undefined,
  ask: () => Promise.reject(new SelvedgeError('NOT_READY', 'nothing is served')),
}

/** Endpoint `digits` with versions 3 and 4; the units `busy` and `aside` are refused. */
export function openFront() {
  const asked: { type: string; meta: RequestMeta; body: string }[] = []
  const states: Record<string, EndpointState> = {
    digits: {
      isReady: true,
      revision: 7,
      deployments: [
        { name: 'blue', version: 3, description },
        { name: 'green', version: 4, description },
      ],
    },
  }
  const scoring: Scoring = {
    ...idleScoring,
    get endpoints() {
      return Object.keys(states)
    },
    endpoint: (name) => (Object.hasOwn(states, name) ? states[name] : undefined),
    get isReady() {
      return Object.values(states).every((state) => state.isReady)
    },
    restarts: 2,
    memory: [{ process: 'scorer', pid: 7, bytes: 1000 }],
    waiting: () => 5,
    admit({ endpoint }) {
      if (endpoint === 'full') throw new SelvedgeError('QUEUE_FULL', '100 requests wait already')
    },
    async ask(type, meta, body) {
      asked.push({ type, meta, body: new TextDecoder().decode(joinBytes(body)) })
      if (meta.unit === 'busy') throw new SelvedgeError('QUEUE_FULL', '100 requests wait already')
      if (meta.unit === 'aside') throw new SelvedgeError('NOT_READY', 'disabled', { retryAfterMs: 29_500 })
      return { ...jsonAnswer({ outputs: [] }), by: answeredBy }
    },
  }
  const parts: AppOptions = {
    scoring,
    mostBodyBytes: 100 * 1024 * 1024,
    exchange: {
      ...webExchange,
      header: (c, name) => c.req.raw.headers.get(name) ?? undefined,
      isLocal: (c) => c.req.raw.headers.get('x-from') !== 'afar',
    },
  }
  const app = createApp(parts)

  /** An app that answers when it is told to. */
  function holding() {
    const answer = Promise.withResolvers<void>()
    const mostBodyBytes = 2000
    let held = 0
    const ask: Scoring['ask'] = async () => {
      held++
      await answer.promise
      return jsonAnswer({})
    }
    const slow = createApp({ ...parts, mostBodyBytes, scoring: { ...parts.scoring, ask } })
    const send = async (bytes: number) =>
      await slow.request('/v2/models/digits/infer', { method: 'POST', body: ' '.repeat(bytes) })
    return { mostBodyBytes, send, answer, held: () => held }
  }

  const post = (path: string, body = '{}', headers: Record<string, string> = {}) =>
    app.request(path, { method: 'POST', body, headers })

  return { app, asked, states, parts, post, holding }
}

/** Status and code; the body is the protocol's error object and nothing beside it. */
export async function errorOf(response: Response | Promise<Response>) {
  const answered = await response
  const { error, ...rest } = (await answered.json()) as { error: string }
  expect(rest).toEqual({})
  expect(error).toBeTypeOf('string')
  return [answered.status, answered.headers.get('selvedge-error')]
}
