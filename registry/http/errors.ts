/** Errors on the wire: RFC 9457 under `/api/v1` and elsewhere, the form of OCI Distribution 1.1 under `/v2`. */
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { z } from 'zod'
import { type ErrorCode, SelvedgeError } from '../../runtime/errors.ts'
import type { AppEnv } from './env.ts'

/** The names that the OCI specification gives to what is not about blobs and manifests. */
const ociCodes: Partial<Record<ErrorCode, string>> = {
  UNAUTHENTICATED: 'UNAUTHORIZED',
  FORBIDDEN: 'DENIED',
  TOO_MANY_REQUESTS: 'TOOMANYREQUESTS',
  BODY_TOO_LARGE: 'SIZE_INVALID',
}

/** The answer to anything thrown; what is not ours is logged and answered without its text, which may hold paths. */
export function renderError(
  thrown: unknown,
  c: Context<AppEnv>,
  log: (entry: Record<string, unknown>) => void,
): Response {
  const error = asSelvedgeError(thrown)
  if (error.code === 'INTERNAL') {
    const cause = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
    log({ level: 'error', method: c.req.method, path: c.req.path, cause })
  }
  const oci = isOci(c.req.path)
  c.header('cache-control', 'no-store')
  if (error.code === 'UNAUTHENTICATED') {
    c.header('www-authenticate', c.req.path.startsWith('/api/') ? 'Bearer' : 'Basic realm="selvedge", charset="UTF-8"')
  }
  const allow = error.detail.allow
  if (error.code === 'METHOD_NOT_ALLOWED' && typeof allow === 'string') c.header('allow', allow)
  const { retryAfterMs } = error.detail
  if (typeof retryAfterMs === 'number') c.header('retry-after', String(Math.ceil(retryAfterMs / 1000)))
  const status = error.status as ContentfulStatusCode
  if (oci) {
    const code = ociCodes[error.code] ?? error.code
    return c.json({ errors: [{ code, message: error.message, detail: { ...error.detail, next: error.next } }] }, status)
  }
  const problem = {
    type: error.code,
    title: error.code.toLowerCase().replaceAll('_', ' '),
    status: error.status,
    detail: error.message,
    next: error.next,
    // RFC 9457, 3.2: who holds what was to be deleted.
    ...(error.detail.holders !== undefined && { holders: error.detail.holders }),
  }
  return c.body(JSON.stringify(problem), status, { 'content-type': 'application/problem+json' })
}

/** A request that a schema refused. */
export function invalidRequest(where: string, error: z.ZodError): SelvedgeError {
  const issue = error.issues[0]
  const field = issue?.path.map(String).join('.')
  return new SelvedgeError('INVALID_REQUEST', `${where}${field ? `, ${field}` : ''}: ${issue?.message}`)
}

export function isOci(path: string): boolean {
  return path === '/v2' || path.startsWith('/v2/')
}

function asSelvedgeError(thrown: unknown): SelvedgeError {
  if (thrown instanceof SelvedgeError) return thrown
  if (thrown instanceof HTTPException && thrown.status === 415) {
    return new SelvedgeError('UNSUPPORTED_MEDIA_TYPE', 'the body is not application/json')
  }
  if (thrown instanceof HTTPException && thrown.status < 500) {
    return new SelvedgeError('INVALID_REQUEST', thrown.message)
  }
  return new SelvedgeError('INTERNAL', 'an unexpected error', {}, { cause: thrown })
}
