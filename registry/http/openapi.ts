/** The few shapes that routes of `/api/v1` share: JSON in, JSON out, pages of lists. */
import { z } from '@hono/zod-openapi'
import { problem } from '../../runtime/contract/control.ts'
import { limits } from '../../runtime/limits.ts'

export function jsonRequest<Schema extends z.ZodType>(schema: Schema) {
  return { required: true, content: { 'application/json': { schema } } }
}

export function jsonAnswer<Schema extends z.ZodType>(schema: Schema, description = 'Done') {
  return { description, content: { 'application/json': { schema } } }
}

/** Every refusal has this form. */
export const refusal = { description: 'Refused', content: { 'application/problem+json': { schema: problem } } }

/** Cursors are opaque: base64url of the last key of the page before. */
export const pageQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^\d{1,9}$/)
    .pipe(z.coerce.number<string>().int().min(1).max(limits.pageSize))
    .default(100),
  cursor: z
    .string()
    .max(1024)
    .regex(/^[A-Za-z0-9_-]+$/)
    .transform((text) => Buffer.from(text, 'base64url').toString())
    .optional(),
})

/** Cuts a list that was read one item longer than the page. */
export function pageOf<Item>(items: Item[], limit: number, key: (last: Item) => string) {
  const last = items.length > limit ? items[limit - 1] : undefined
  return {
    items: items.slice(0, limit),
    ...(last !== undefined && { nextCursor: Buffer.from(key(last)).toString('base64url') }),
  }
}
