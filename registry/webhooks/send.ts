/** One call of a webhook: no redirect is followed, and no more is read and no longer waited than the limits say. */
import { type RequestOptions, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { limits } from '../../runtime/limits.ts'
import type { Addresses } from './address.ts'

export interface Call {
  url: string
  headers: Record<string, string>
  body: string
}

export interface Failed {
  /** In words that hold neither address nor secret. */
  why: string
  /** That the receiver does not take what it was told, and would not do so later. */
  isRefusal: boolean
}

/** Statuses that speak of the receiver or of the moment: took too long, gone, too many calls. */
const passing = [408, 410, 429]

/**
 * Undefined where it came through.
 *
 * @param mostMs - from the name's look-up to the end of the answer
 */
export async function send(
  addresses: Addresses,
  { url: text, headers, body }: Call,
  signal: AbortSignal,
  mostMs: number = limits.webhookMs,
): Promise<Failed | undefined> {
  const ending = AbortSignal.any([signal, AbortSignal.timeout(mostMs)])
  try {
    const url = addresses.parse(text)
    const status = await post(url, { headers, lookup: addresses.lookup(url), signal: ending }, body)
    if (status >= 200 && status < 300) return undefined
    return { why: `answered ${status}`, isRefusal: status >= 400 && status < 500 && !passing.includes(status) }
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'failed'
    return { why: ending.aborted ? `no answer within ${mostMs} ms` : code, isRefusal: false }
  }
}

/** Status of the answer, once it ended or so much of it came as is read. */
function post(url: URL, options: RequestOptions, body: string): Promise<number> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((settle, fail) => {
    // A socket of its own: what was looked at is what is called.
    const sent = request(url, { ...options, method: 'POST', agent: false }, (answer) => {
      const { statusCode = 0 } = answer
      let left = limits.webhookAnswerBytes
      answer.on('data', (chunk: Buffer) => {
        left -= chunk.length
        if (left > 0) return
        settle(statusCode)
        sent.destroy()
      })
      answer.on('end', () => settle(statusCode))
      answer.on('error', fail)
    })
    sent.on('error', fail)
    // A socket that ends after 101 Switching Protocols tells of neither an answer nor an error.
    sent.on('close', () => fail(Object.assign(new Error('closed'), { code: 'CLOSED' })))
    sent.end(body)
  })
}
