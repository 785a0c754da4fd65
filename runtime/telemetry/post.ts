/** Sending reports, and telling a registry that will never take one from one that does not take it now. */
import type { TelemetryReport } from '../contract/telemetry.ts'
import { SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'

/**
 * @param url - `telemetry.url` of the plan
 * @param leaving - the host may end at any moment, so that the report is sent as it stands, without being compressed
 * @throws SelvedgeError `TELEMETRY_REFUSED` where the registry will never take this report (400, 413, 422);
 * `REGISTRY_UNREACHABLE` where it did not take it now: no answer, 401 and 403 (the token may be mended), 415, 429, 5xx
 */
export type PostReport = (url: string, report: TelemetryReport, leaving?: boolean) => Promise<void>

const refusals: ReadonlySet<number> = new Set([400, 413, 422])

/** Compresses reports where the last answer said that the registry takes gzip (RFC 7694): an older one takes none. */
export function openPost(token: string | undefined): PostReport {
  let takesGzip = false

  return async (url, report, leaving = false) => {
    const headers = headersOf(token)
    const compressed = takesGzip && !leaving
    if (compressed) headers['content-encoding'] = 'gzip'
    // Where there is no answer, a proxy or an older registry may have refused the encoding.
    takesGzip = false
    const text = JSON.stringify(report)
    const response = await send(url, headers, compressed ? await gzip(text) : text)
    takesGzip = response.headers.get('accept-encoding') === 'gzip' && typeof CompressionStream === 'function'
    if (response.ok) return
    const code = refusals.has(response.status) ? 'TELEMETRY_REFUSED' : 'REGISTRY_UNREACHABLE'
    throw new SelvedgeError(code, `a report was answered with status ${response.status}`)
  }
}

/** Of a report as JSON. */
export function headersOf(token: string | undefined): Record<string, string> {
  return { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) }
}

async function send(
  url: string,
  headers: Record<string, string>,
  body: string | Uint8Array<ArrayBuffer>,
): Promise<Response> {
  try {
    // `keepalive` lets a report outlive its page; it takes up to 64 KiB, a report has 60.
    const signal = AbortSignal.timeout(limits.jsonTimeoutMs)
    const response = await fetch(url, { method: 'POST', keepalive: true, headers, body, signal })
    await response.arrayBuffer()
    return response
  } catch (cause) {
    throw new SelvedgeError('REGISTRY_UNREACHABLE', 'a report was not answered', {}, { cause })
  }
}

async function gzip(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const { body } = new Response(text)
  return new Uint8Array(await new Response(body?.pipeThrough(new CompressionStream('gzip'))).arrayBuffer())
}
