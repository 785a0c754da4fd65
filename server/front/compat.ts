/**
 * The few literal texts for which Triton's own clients look, for whoever asks for them by `selvedge-compat: triton` or
 * starts the server so. Nothing else changes.
 */
import type { Context } from 'hono'
import { encodeError, SelvedgeError } from '../../runtime/errors.ts'
import type { Exchange } from './exchange.ts'

export type Compat = 'triton' | undefined

/** @throws {@link SelvedgeError} `INVALID_REQUEST` for another name than `triton` */
export function readCompat(c: Context, exchange: Exchange, byDefault: Compat): Compat {
  const wanted = exchange.header(c, 'selvedge-compat')
  if (wanted === undefined) return byDefault
  if (wanted === 'triton') return wanted
  throw new SelvedgeError('INVALID_REQUEST', `selvedge-compat: got ${JSON.stringify(wanted.slice(0, 40))}, want triton`)
}

export function serverName(compat: Compat): string {
  return compat ?? 'selvedge'
}

/** `simple_http_infer_client.py` and `simple_http_health_metadata.py` look for the begin of this one. */
export function compatError(thrown: unknown, compat: Compat, endpoint: string): unknown {
  const { code, detail } = encodeError(thrown)
  if (compat === undefined || code !== 'ENDPOINT_UNKNOWN') return thrown
  return new SelvedgeError(code, `Request for unknown model: '${endpoint}' is not found`, detail)
}
