/** What happened in a registry, as CloudEvents 1.0 in JSON (design, section 7). */
import { z } from 'zod'
import { timestamp } from './names.ts'

export const eventType = z.enum([
  'model.registered',
  'version.registered',
  'version.deleted',
  'alias.moved',
  'deployment.ready',
  'deployment.removed',
  'traffic.changed',
  'rollout.advanced',
  'rollout.reverted',
  'rollout.completed',
  'drift.detected',
  'drift.cleared',
  'quality.detected',
  'quality.cleared',
  'performance.detected',
  'performance.cleared',
  'health.detected',
  'health.cleared',
  'webhook.paused',
])

export type EventType = z.infer<typeof eventType>

export const cloudEvent = z.object({
  specversion: z.literal('1.0'),
  /** A number that rises: the cursor with which whoever read it goes on. */
  id: z.string(),
  type: eventType,
  /** Address of the model, endpoint or webhook that it happened to. */
  source: z.string(),
  /** Name of the version, alias, deployment, monitor or rollout. */
  subject: z.string().optional(),
  time: timestamp,
  datacontenttype: z.literal('application/json'),
  data: z.record(z.string(), z.unknown()),
})

export type CloudEvent = z.infer<typeof cloudEvent>
