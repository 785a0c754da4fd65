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

/**
 * Undefined where it came through, or what is in the way in words that hold neither address nor secret.
 *
 * @param mostMs - from the name's look-up to the end of the answer
 */
export async function send(
  addresses: Addresses,
  { url: text, headers, body }: Call,
  signal: AbortSignal,
  mostMs: number = limits.webhookMs,
): Promise<string | undefined> {
  const ending = AbortSignal.any([signal, AbortSignal.timeout(mostMs)])
  try {
    const url = addresses.parse(text)
    const status = await post(url, { headers, lookup: addresses.lookup(url), signal: ending }, body)
    return status >= 200 && status < 300 ? undefined : `answered ${status}`
  } catch (thrown) {
    if (ending.aborted) return `no answer within ${mostMs} ms`
    return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'failed'
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
