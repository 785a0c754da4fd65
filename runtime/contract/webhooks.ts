/** Webhooks: addresses that are told what happens in a registry, as Standard Webhooks. */
import { z } from 'zod'
import { eventType } from './events.ts'
import { name, timestamp } from './names.ts'

export const webhookBody = z.strictObject({
  name,
  url: z.string().min(1).max(2048),
  /** Types that it gets; besides them it gets what monitors name it for. */
  events: z.array(eventType).max(eventType.options.length).default([]),
})

/** Its address and no secret. */
export const webhook = z.object({
  ...webhookBody.shape,
  createdAt: timestamp,
  /** Since when nothing came through; absent while all does. */
  failingSince: timestamp.optional(),
  /** Since when nothing is tried any more. */
  pausedAt: timestamp.optional(),
})

export type Webhook = z.infer<typeof webhook>

/** The secret that signs what it gets is shown once: `whsec_` and 32 bytes in base64. */
export const createdWebhook = z.object({ ...webhook.shape, secret: z.string() })
