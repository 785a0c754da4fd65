/** Request bodies: never more of them than allowed, never slower than allowed. */
import { gunzipSync } from 'node:zlib'
import type { Context, MiddlewareHandler } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { routeOf } from '../auth/policy.ts'
import type { AppEnv } from './env.ts'
import { checkedText } from './json.ts'

// design, section 11: an upload has no total deadline, but a least rate.
const leastRate = { bytesPerSecond: 16 * 1024, overMs: 30_000 }

const leastPieceBytes = 64

/** Reads the JSON of routes that take it, within the limit of the route, before anything parses it. */
export const jsonBody: MiddlewareHandler<AppEnv> = async (c, next) => {
  const { jsonBytes: limit, gzip } = routeOf(c) ?? {}
  if (limit === undefined) return await next()
  // RFC 7694: what later requests may be compressed with.
  if (gzip) c.header('accept-encoding', 'gzip')
  const text = checkedText(
    gzip && encodingOf(c) === 'gzip' ? inflate(await readAll(c, limit), limit) : await readBody(c, limit),
  )
  // Hono's validators parse what is kept here; its type says text where it holds a promise of it.
  Object.assign(c.req.bodyCache, { text: Promise.resolve(text) })
  await next()
}

/**
 * The whole body.
 *
 * @throws {@link SelvedgeError} `BODY_TOO_LARGE` from the byte after the limit on, `REQUEST_TIMEOUT`
 */
export async function readBody(c: Context<AppEnv>, limit: number): Promise<Uint8Array> {
  refuseEncoding(c)
  return await readAll(c, limit)
}

async function readAll(c: Context<AppEnv>, limit: number): Promise<Uint8Array> {
  const announced = Number(c.req.header('content-length') ?? 0)
  if (announced > limit) throw tooLarge(limit)
  const deadline = Date.now() + limits.jsonTimeoutMs
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of bodyParts(c, () => deadline - Date.now())) {
    size += part.length
    if (size > limit) throw tooLarge(limit)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** The body in pieces, as long as it keeps coming at 16 KiB/s, averaged over 30 s. */
export async function* streamBody(c: Context<AppEnv>): AsyncGenerator<Uint8Array> {
  refuseEncoding(c)
  let windowEnd = Date.now() + leastRate.overMs
  let received = 0
  for await (const part of bodyParts(c, () => windowEnd - Date.now())) {
    received += part.length
    if (received >= (leastRate.bytesPerSecond * leastRate.overMs) / 1000) {
      windowEnd = Date.now() + leastRate.overMs
      received = 0
    }
    yield part
  }
}

async function* bodyParts(c: Context<AppEnv>, leftMs: () => number): AsyncGenerator<Uint8Array> {
  const reader = c.req.raw.body?.getReader()
  if (reader === undefined) return
  let done = false
  let [pieces, received] = [0, 0]
  try {
    for (;;) {
      const part = await within(reader.read(), leftMs())
      if (part.done) break
      pieces++
      received += part.value.length
      refuseCrumbs(pieces, received)
      yield part.value
    }
    done = true
  } finally {
    // Who sends on after a refusal is not listened to any more; an aborted stream has nothing to cancel.
    if (!done) await reader.cancel().catch(() => undefined)
  }
}

// A reader that rejects: the client went away in the middle.
async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SelvedgeError('REQUEST_TIMEOUT', 'the body came too slowly')), Math.max(ms, 0))
  })
  try {
    return await Promise.race([promise, late])
  } catch (thrown) {
    if (thrown instanceof SelvedgeError) throw thrown
    throw new SelvedgeError('SIZE_INVALID', 'the body ended before its announced length', {}, { cause: thrown })
  } finally {
    clearTimeout(timer)
  }
}

// A few KiB of gzip hold gigabytes; what the registry takes is small or compressed already.
function refuseEncoding(c: Context<AppEnv>): void {
  if (encodingOf(c) === 'identity') return
  throw new SelvedgeError('UNSUPPORTED_MEDIA_TYPE', 'the body has a content-encoding that is not taken here')
}

function encodingOf(c: Context<AppEnv>): string {
  return c.req.header('content-encoding')?.toLowerCase() ?? 'identity'
}

// At once, since a report is small: a thread would cost more than the work.
function inflate(bytes: Uint8Array, limit: number): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: limit })
  } catch (cause) {
    // It says so as soon as there is more, whatever would follow.
    if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit)
    throw new SelvedgeError('INVALID_REQUEST', 'the body is not gzip', {}, { cause })
  }
}

// Each piece costs more than its bytes; a line that is merely slow brings hundreds of bytes at a time.
function refuseCrumbs(pieces: number, received: number): void {
  if (pieces <= limits.uploadParts || received >= pieces * leastPieceBytes) return
  throw new SelvedgeError('BODY_TOO_LARGE', `the body came in more than ${limits.uploadParts} tiny pieces`)
}

function tooLarge(limit: number): SelvedgeError {
  return new SelvedgeError('BODY_TOO_LARGE', `the body is larger than ${limit} bytes`, { limit })
}
