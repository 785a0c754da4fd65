/**
 * Reports on their way: kept until the registry took them or will never take them, those of earlier visits to the same
 * endpoint of the same registry included.
 */
import type { TelemetryReport } from '../../runtime/contract/telemetry.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { PageState } from './state.ts'

export interface OutboxOptions {
  state: PageState
  /** Base address of the registry. */
  registry: string
  endpoint: string
  /** As `PostReport`: rejects with `TELEMETRY_REFUSED` only where the registry will never take the report. */
  send(report: TelemetryReport, leaving?: boolean): Promise<void>
  /** Told of reports of earlier visits that were refused. */
  failed(error: unknown): void
}

export interface Outbox {
  /** @throws what `send` throws; the report is kept unless it was refused for good */
  post(report: TelemetryReport, leaving?: boolean): Promise<void>
  /** Sends what earlier visits left. What cannot be sent now goes behind the next report that can. */
  sendWaiting(): Promise<void>
}

export function openOutbox({ state, registry, endpoint, send, failed }: OutboxOptions): Outbox {
  // Until all were sent once.
  let mayWait = true
  let sending: Promise<void> | undefined

  async function post(report: TelemetryReport, leaving?: boolean): Promise<void> {
    // First kept, then sent: a page may end at any time.
    await state.keepReport(registry, report)
    try {
      await send(report, leaving)
    } catch (error) {
      if (isRefused(error)) await state.forgetReport(registry, report)
      throw error
    }
    await state.forgetReport(registry, report)
    if (mayWait) void sendWaiting()
  }

  async function sendAll(): Promise<void> {
    for (const report of await state.waitingReports(registry, endpoint)) {
      try {
        await send(report)
      } catch (error) {
        failed(error)
        if (!isRefused(error)) return
      }
      await state.forgetReport(registry, report)
    }
    mayWait = false
  }

  async function sendWaiting(): Promise<void> {
    sending ??= sendAll().finally(() => {
      sending = undefined
    })
    await sending
  }

  return { post, sendWaiting }
}

function isRefused(error: unknown): boolean {
  return error instanceof SelvedgeError && error.code === 'TELEMETRY_REFUSED'
}
