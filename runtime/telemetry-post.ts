/** Sending one report, and telling a registry that will never take it from one that does not take it now. */
import type { TelemetryReport } from './contract/telemetry.ts'
import { SelvedgeError } from './errors.ts'
import { limits } from './limits.ts'

const refusals: ReadonlySet<number> = new Set([400, 413, 422])

/**
 * @param url - `telemetry.url` of the plan
 * @throws SelvedgeError `TELEMETRY_REFUSED` where the registry will never take this report (400, 413, 422);
 * `REGISTRY_UNREACHABLE` where it did not take it now: no answer, 401 and 403 (the token may be mended), 429, 5xx
 */
export async function postReport(url: string, report: TelemetryReport, token: string | undefined): Promise<void> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (token !== undefined) headers.authorization = `Bearer ${token}`
  let response: Response
  try {
    // `keepalive` lets a report outlive its page; it takes up to 64 KiB, a report has 60.
    response = await fetch(url, {
      method: 'POST',
      keepalive: true,
      headers,
      body: JSON.stringify(report),
      signal: AbortSignal.timeout(limits.jsonTimeoutMs),
    })
    await response.arrayBuffer()
  } catch (cause) {
    throw new SelvedgeError('REGISTRY_UNREACHABLE', 'a report was not answered', {}, { cause })
  }
  if (response.ok) return
  const code = refusals.has(response.status) ? 'TELEMETRY_REFUSED' : 'REGISTRY_UNREACHABLE'
  throw new SelvedgeError(code, `a report was answered with status ${response.status}`)
}
