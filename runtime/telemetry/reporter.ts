/** Reporting what a scorer counted: once an interval, and once more when asked, cumulative per window. */

import type { Assigned, UnitEvent, Units } from '../assignment/units.ts'
import { encodeBase64Url } from '../bytes.ts'
import type { Plan } from '../contract/plan.ts'
import type { TelemetryReport } from '../contract/telemetry.ts'
import { SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Tally, WindowCounts } from './tally.ts'

export interface ReporterOptions {
  plan(): Plan | undefined
  tally: Tally
  units: Units
  /**
   * Rejects with `TELEMETRY_REFUSED` where the registry will never take the report, which is then dropped and counted;
   * with anything else where it did not take it now: it is sent again, with what came meanwhile.
   *
   * @param leaving - as it came to `flush`
   */
  post(report: TelemetryReport, leaving: boolean): Promise<void>
  /** Awaited once all was sent; what waits then came meanwhile. */
  flushed?(): Promise<void>
  /** Told of every report that could not be sent. */
  failed(error: unknown): void
}

export interface Flusher {
  /**
   * Sends what waits; false where something could not be sent and waits on.
   *
   * @param leaving - the host may end at any moment
   */
  flush(leaving?: boolean): Promise<boolean>
}

export interface Reporter extends Flusher {
  /** What a flush would send of the latest window, for whoever outlives this host; undefined where nothing waits. */
  draft(): Promise<TelemetryReport | undefined>
  /** Ends the interval; flush first. */
  close(): void
}

// A third of a report's 60 KiB: the rest is for counts.
const mostEventBytes = 20 * 1024
/** So that events go on where counts are large. */
const leastEventBytes = 8 * 1024
/** Names of the sender and the endpoint, and what stands around the parts. */
const restBytes = 1024

const encoder = new TextEncoder()

export function openReporter(options: ReporterOptions): Reporter {
  const { flush, draft } = openSender(options)
  let timer: ReturnType<typeof setTimeout> | undefined

  function schedule(): void {
    timer = setTimeout(() => void flush().finally(schedule), options.plan()?.telemetry.intervalMs ?? 1000)
  }
  schedule()

  return { flush, draft, close: () => clearTimeout(timer) }
}

/** The same for a host without timers of its own: it sends when it is told to. */
export function openFlusher(options: ReporterOptions): Flusher {
  const { flush } = openSender(options)
  return { flush }
}

function openSender({ plan, tally, units, post, flushed, failed }: ReporterOptions): Flusher & Pick<Reporter, 'draft'> {
  let seq = 0
  let sending: Promise<boolean> | undefined

  // A report is the whole of its (sender, window), so events travel with the counts of a window.
  function compose(counts: WindowCounts, { endpoint, revision, salt }: Plan) {
    const { fits, room } = withinLimit(counts)
    const events = fitting(units.oldest(200), room)
    // A draft may be composed meanwhile: which of two says more is as they began.
    const own = ++seq
    const report = async (): Promise<TelemetryReport> => {
      const told = await hashed(events, { revision, salt })
      return { sender: tally.sender, seq: own, endpoint, revision, ...fits, ...told }
    }
    return { events, report }
  }

  async function draft(): Promise<TelemetryReport | undefined> {
    const current = plan()
    const counts = tally.pending().at(-1) ?? (units.oldest(1).length > 0 ? tally.current() : undefined)
    return current && counts && (await compose(counts, current).report())
  }

  async function sendAll(leaving: boolean): Promise<boolean> {
    const current = plan()
    if (current === undefined) return true
    const send = async (counts: WindowCounts) => {
      const { events, report } = compose(counts, current)
      try {
        await post(await report(), leaving)
        tally.acknowledge(counts)
      } catch (error) {
        if (!(error instanceof SelvedgeError && error.code === 'TELEMETRY_REFUSED')) throw error
        failed(error)
        tally.refuse(counts)
      }
      units.forget(events)
    }
    try {
      for (const counts of tally.pending()) await send(counts)
      while (units.oldest(1).length > 0) await send(tally.current())
      await flushed?.()
      return true
    } catch (error) {
      // The counts are cumulative and stay in the tally: the next flush sends them.
      failed(error)
      return false
    }
  }

  async function flush(leaving = false): Promise<boolean> {
    // A flush that runs may have read the counts before the caller's last row.
    await sending
    sending ??= sendAll(leaving).finally(() => {
      sending = undefined
    })
    return await sending
  }

  return { flush, draft }
}

// Pairs are what a report can do without: its rows are then as those of a page.
function withinLimit(counts: WindowCounts): { fits: WindowCounts; room: number } {
  const most = limits.telemetryBytes - restBytes
  const whole = bytesOf(counts)
  if (whole <= most - leastEventBytes) return { fits: counts, room: most - whole }
  const fits = { ...counts, profiles: counts.profiles.map(({ units: _, ...profile }) => profile) }
  return { fits, room: Math.max(leastEventBytes, most - bytesOf(fits)) }
}

function fitting(events: readonly UnitEvent[], room: number): readonly UnitEvent[] {
  let bytes = 0
  const most = events.findIndex((event) => {
    bytes += bytesOf(event)
    return bytes > Math.min(room, mostEventBytes)
  })
  return most < 0 ? events : events.slice(0, Math.max(most, 1))
}

function bytesOf(value: unknown): number {
  return encoder.encode(JSON.stringify(value)).length
}

async function hashed(
  events: readonly UnitEvent[],
  current: Assigned,
): Promise<Pick<TelemetryReport, 'exposures' | 'outcomes'>> {
  const hashes = new Map<string, UnitHash>()
  const hashOf = async (salt: string, unit: string) => {
    const hash = hashes.get(salt) ?? (await openHash(salt))
    hashes.set(salt, hash)
    return await hash(unit)
  }
  const exposures: TelemetryReport['exposures'] = []
  const outcomes: TelemetryReport['outcomes'] = []
  for (const event of events) {
    const { at } = event
    if (event.kind === 'outcome') {
      outcomes.push({ unit: await hashOf(current.salt, event.unit), at, values: event.values })
      continue
    }
    const { deployment, assigned, prediction } = event
    const { salt, revision } = assigned
    exposures.push({
      unit: await hashOf(salt, event.unit),
      deployment,
      at,
      ...(revision !== current.revision && { revision }),
      ...(prediction && { prediction }),
    })
  }
  return { exposures, outcomes }
}

type UnitHash = (unit: string) => Promise<string>

async function openHash(salt: string): Promise<UnitHash> {
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', encoder.encode(salt), hmac, false, ['sign'])
  return async (unit) => {
    const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, encoder.encode(unit)))
    return encodeBase64Url(mac.subarray(0, 16))
  }
}
