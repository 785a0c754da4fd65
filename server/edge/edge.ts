/** What an edge worker imports: the scoring app of the Node server in one isolate, on WASM. */

import { orAborted } from '../../runtime/delivery/transfer.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { openEdgeSession } from '../../runtime/providers/edge.ts'
import { createApp } from '../front/app.ts'
import { openCallers } from '../front/callers.ts'
import { type Exchange, webExchange } from '../front/exchange.ts'
import { openEdgeCache } from './cache.ts'
import { type EdgeHost, openEdgeHost } from './host.ts'
import { type ExecutionContext, platformCache, timingSafeEqual } from './platform.ts'

export interface EdgeOptions {
  /** Base address of the registry. */
  registry: string
  /** The key whose signature a plan must bear, `ed25519:…`; several while keys rotate. */
  key: string | readonly string[]
  /** Needed where the registry has tokens; role `page` is enough. */
  token?: string | undefined
  /** Names of the endpoints that are served. */
  endpoints: readonly string[]
  /** The tokens of which a caller must send one; `'anyone'` opens it to the internet. */
  callers: 'anyone' | readonly string[]
  /** What `import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm'` gives: a `WebAssembly.Module`. */
  wasm: object
}

export interface EdgeWorker {
  fetch(request: Request, env: unknown, context: ExecutionContext): Promise<Response>
}

/**
 * The Open Inference Protocol for endpoints of a registry, as a worker's default export.
 *
 * ```ts
 * import { createEdge } from 'selvedge/edge'
 * import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm'
 *
 * export default createEdge({
 *   registry: 'https://registry.example.com',
 *   key: 'ed25519:…',
 *   endpoints: ['digits'],
 *   callers: 'anyone',
 *   wasm,
 * })
 * ```
 *
 * The first request to an endpoint waits for its plan and model; later ones find it there, and ask for a newer plan
 * behind their answer when the last question is 5 s old. An endpoint whose models do not fit into an isolate is
 * answered with `MODEL_LIMIT`. Where the platform's clock stands still while it computes, answers carry no
 * `server-timing` and reports no latency.
 *
 * @throws {@link SelvedgeError} `REFUSED_TO_START` for options that cannot be right
 */
export function createEdge(options: EdgeOptions): EdgeWorker {
  const { registry, token, key, endpoints, callers, wasm } = options
  if (!URL.canParse(registry) || !/^https?:/.test(registry)) {
    throw new SelvedgeError('REFUSED_TO_START', `registry: got "${registry}", want an http or https address`)
  }
  if (typeof wasm !== 'object' || wasm === null) {
    throw new SelvedgeError('REFUSED_TO_START', 'wasm: want the module of ort-wasm-simd-threaded.wasm')
  }
  // Outside of a request a platform gives neither random bytes nor connections.
  let opened: ReturnType<typeof open> | undefined

  function open() {
    const host = openEdgeHost({
      registry: registry.replace(/\/+$/, ''),
      token,
      keys: typeof key === 'string' ? [key] : key,
      endpoints,
      cache: openEdgeCache(platformCache()),
      openSession: openEdgeSession(wasm),
      warn: (event, error) => console.warn(`selvedge: ${event}:`, error),
    })
    const isCaller = callers === 'anyone' ? undefined : openCallers(callers, timingSafeEqual)
    return { host, app: createApp({ scoring: host, exchange, mostBodyBytes, isCaller }) }
  }

  return {
    async fetch(request, _env, context) {
      opened ??= open()
      const { host, app } = opened
      const needed = neededBy(request, endpoints)
      context.waitUntil(host.refresh(needed))
      if (!needed.every((name) => host.endpoint(name)?.isReady)) await refreshed(host, needed)
      const answering = Promise.resolve(app.fetch(request))
      // What others wait for in the queue must not end with a caller that hangs up.
      context.waitUntil(answering)
      const response = await answering
      // A platform ends the timers of a request with it.
      context.waitUntil(host.shadowed(needed))
      context.waitUntil(host.report(needed))
      return response
    },
  }
}

// An isolate holds the models, the tensors and the bodies of all its requests.
const mostBodyBytes = limits.binaryBodyBytes / 4

const exchange: Exchange = {
  ...webExchange,
  body: (c, limitBytes, take) => webExchange.body(c, Math.min(limitBytes, mostBodyBytes), take),
}

// The request that asks may be gone, and with it the answer that this one would wait for.
async function refreshed(host: EdgeHost, needed: readonly string[]): Promise<void> {
  await orAborted(host.refreshed(needed), AbortSignal.timeout(limits.jsonTimeoutMs)).catch(() => undefined)
}

// A plan in force is renewed behind the answer; the first is waited for.
function neededBy({ url, method }: Request, endpoints: readonly string[]): readonly string[] {
  const { pathname } = new URL(url)
  if (method === 'OPTIONS') return []
  if (/^\/(readyz|v2\/health\/ready)$/.test(pathname)) return endpoints
  const named = /^\/v2\/models\/([^/]+)/.exec(pathname)?.[1]
  return endpoints.filter((name) => name === named)
}
