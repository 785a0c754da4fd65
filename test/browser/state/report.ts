/** A report that says nothing but whose it is. */
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'

export const report = (window: string, seq: number): TelemetryReport => ({
  sender: 'AAECAwQFBgcICQoLDA0ODw',
  seq,
  window,
  endpoint: 'digits',
  revision: 1,
  profiles: [],
  exposures: [],
  outcomes: [],
})
