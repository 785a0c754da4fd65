/** Exchange: how a route reads its request and gives its answer; on Node the hot path goes round Request and Response. */
import type { Context } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { HttpAnswer } from '../http-answer.ts'

export interface Exchange {
  header(c: Context, name: string): string | undefined
  /** Whether the caller is on this machine, and no proxy speaks for one that is elsewhere. */
  isLocal(c: Context): boolean
  /** Whose requests are counted together; undefined for one on this machine without a token, and where nobody knows. */
  caller(c: Context): string | undefined
  /** Aborts when the caller goes away before its answer. */
  signal(c: Context): AbortSignal
  /**
   * The body in pieces.
   *
   * @param take - told of every piece as it arrives; what it throws refuses the body
   * @throws SelvedgeError `BODY_TOO_LARGE` past `limitBytes`, as soon as that is known
   */
  body(c: Context, limitBytes: number, take: (bytes: number) => void): Promise<Uint8Array[]>
  answer(c: Context, answer: HttpAnswer): Response
}

/** By the web's own Request and Response, as workerd has them. Every caller there comes from elsewhere. */
export const webExchange: Exchange = {
  // The platform compresses for its callers, and asks for gzip in the name of all of them: it would compress once more.
  header: (c, name) => (name === 'accept-encoding' ? undefined : (c.req.raw.headers.get(name) ?? undefined)),
  isLocal: () => false,
  caller: () => undefined,
  signal: (c) => c.req.raw.signal,
  async body(c, limitBytes, take) {
    const chunks = openChunks(limitBytes, take)
    if (Number(c.req.raw.headers.get('content-length') ?? 0) > limitBytes) throw chunks.tooLarge()
    for await (const chunk of c.req.raw.body ?? []) chunks.add(chunk)
    return chunks.all
  },
  answer: (_, { status, headers, body }) => {
    return new Response(body.length === 0 ? null : new Uint8Array(body), { status, headers })
  },
}

/** The chunks of a body, refused past its limit. */
export function openChunks(limitBytes: number, take: (bytes: number) => void) {
  const chunks: Uint8Array[] = []
  let length = 0
  const tooLarge = () => new SelvedgeError('BODY_TOO_LARGE', `the body has more than ${limitBytes} bytes`)

  return {
    all: chunks,
    tooLarge,
    add(chunk: Uint8Array): void {
      length += chunk.length
      if (length > limitBytes) throw tooLarge()
      take(chunk.length)
      chunks.push(chunk)
    },
  }
}
