/** What of a scoring request its path and headers say, checked before the body is read. */
import type { Context } from 'hono'
import { type Attributes, attributes } from '../../runtime/contract/audience.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { parseJson } from '../../runtime/oip/json-text.ts'
import { parseMessage } from '../../runtime/oip/message.ts'
import type { RequestMeta } from '../scoring.ts'
import type { Exchange } from './exchange.ts'

/**
 * @throws {@link SelvedgeError} `NOT_FOUND` for a version that is no number, `INVALID_REQUEST`,
 * `UNSUPPORTED_MEDIA_TYPE` for another encoding than gzip and deflate, `FORBIDDEN` where a caller from elsewhere picks a
 * deployment
 */
export function readRequest(c: Context, exchange: Exchange, endpoint: string): RequestMeta {
  const deployment = exchange.header(c, 'selvedge-deployment')
  if (deployment !== undefined && !exchange.isLocal(c)) {
    throw new SelvedgeError('FORBIDDEN', 'selvedge-deployment is for callers on this machine')
  }
  return {
    endpoint,
    version: readVersion(c),
    unit: readUnit(exchange.header(c, 'selvedge-unit')),
    attributes: readAttributes(exchange.header(c, 'selvedge-attributes')),
    deployment,
    headerLength: readLength(exchange.header(c, 'inference-header-content-length')),
    encoding: readEncoding(exchange.header(c, 'content-encoding')),
    caller: exchange.caller(c),
    accepts: readAccepts(exchange.header(c, 'accept-encoding')),
    timeoutMs: readTimeout(exchange.header(c, 'selvedge-timeout')),
  }
}

/** @throws {@link SelvedgeError} `NOT_FOUND` for anything but a positive integer below 2^53 */
export function readVersion(c: Context): number | undefined {
  const text = c.req.param('version')
  if (text === undefined) return undefined
  const version = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(version)) return version
  throw new SelvedgeError('NOT_FOUND', `version ${JSON.stringify(text.slice(0, 40))}: versions count 1, 2, 3…`)
}

const mostUnitBytes = 512

function readUnit(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : readText('selvedge-unit', value, mostUnitBytes)
}

const mostAttributesBytes = 4096

/** A JSON object of texts, numbers and truth values. */
function readAttributes(value: string | undefined): Attributes | undefined {
  if (value === undefined || value === '') return undefined
  const text = readText('selvedge-attributes', value, mostAttributesBytes)
  return parseMessage(attributes, parseJson(new TextEncoder().encode(text)))
}

// Header values reach JavaScript a byte a character; what they say is UTF-8, as every host hashes it.
function readText(header: string, value: string, most: number): string {
  const bytes = Uint8Array.from(value, (character) => character.charCodeAt(0))
  if (bytes.length > most) {
    throw new SelvedgeError('INVALID_REQUEST', `${header} has ${bytes.length} bytes, at most ${most}`)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new SelvedgeError('INVALID_REQUEST', `${header} is not UTF-8`, {}, { cause })
  }
}

function readLength(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^\d{1,10}$/.test(value)) return Number(value)
  throw new SelvedgeError('INVALID_REQUEST', 'Inference-Header-Content-Length is no number of bytes')
}

// As gRPC writes it, in milliseconds alone: `250m`.
function readTimeout(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const ms = /^([1-9]\d{0,7})m$/.exec(value)?.[1]
  if (ms !== undefined) return Number(ms)
  throw new SelvedgeError('INVALID_REQUEST', `selvedge-timeout: got ${JSON.stringify(value.slice(0, 40))}, want 250m`)
}

// RFC 9110, "Accept-Encoding": the one with the highest weight; gzip of equals, none where plain bytes are liked better.
function readAccepts(value: string | undefined): 'gzip' | 'deflate' | undefined {
  if (value === undefined) return undefined
  const weights = new Map(
    value.split(',').map((each): [string, number] => {
      const [coding = '', weight] = each.split(';')
      return [coding.trim().toLowerCase(), weight === undefined ? 1 : Number(/q=([\d.]+)/.exec(weight)?.[1] ?? 0)]
    }),
  )
  const any = weights.get('*') ?? 0
  const [gzip, deflate] = [weights.get('gzip') ?? any, weights.get('deflate') ?? any]
  const most = Math.max(gzip, deflate)
  if (most === 0 || most < (weights.get('identity') ?? 0)) return undefined
  return gzip === most ? 'gzip' : 'deflate'
}

function readEncoding(value: string | undefined): 'gzip' | 'deflate' | undefined {
  const encoding = value?.trim().toLowerCase()
  if (encoding === undefined || encoding === '' || encoding === 'identity') return undefined
  if (encoding === 'gzip' || encoding === 'deflate') return encoding
  throw new SelvedgeError('UNSUPPORTED_MEDIA_TYPE', `content-encoding ${encoding.slice(0, 40)}: want gzip or deflate`)
}
