/** What stands behind a drift page, in the page itself: the report with all its numbers, and what is shown beside it. */
import { z } from 'zod'
import { attribution } from './attribution.ts'
import { alarm, driftReport, monitorLook } from './monitor.ts'
import { count, timestamp } from './names.ts'
import { performanceWindow } from './performance.ts'

export const driftDocument = z.object({
  /** From which every verdict can be made again. */
  report: driftReport,
  /** The monitor's last looks at the deployment, the oldest first. */
  looks: z.array(monitorLook),
  /** How the deployment's monitors and their parts stood; none beside a report of the past. */
  alarms: z.array(alarm),
  /** Of a report that drifts, unless it would have to read too many reports of hosts. */
  attribution: attribution.optional(),
  /** Who counted in the day before the report. */
  coverage: z.object({
    from: timestamp,
    to: timestamp,
    /** Minutes that have rows. */
    windows: z.array(z.object({ window: timestamp, rows: count, senders: count })),
    sources: z.array(
      z.object({
        variant: z.string(),
        provider: z.string(),
        device: z.string(),
        tier: z.enum(['trusted', 'page']),
        rows: count,
        senders: count,
      }),
    ),
  }),
  /** Of the last seven days, the newest first. */
  performance: z.array(performanceWindow),
})

export type DriftDocument = z.infer<typeof driftDocument>

/** Id of the page's element that holds it as JSON. */
export const driftDocumentId = 'numbers'
