/** The few shapes that routes of `/api/v1` share: JSON in, JSON out. */
import type { z } from '@hono/zod-openapi'
import { problem } from '../../runtime/contract/control.ts'

export function jsonRequest<Schema extends z.ZodType>(schema: Schema) {
  return { required: true, content: { 'application/json': { schema } } }
}

export function jsonAnswer<Schema extends z.ZodType>(schema: Schema, description = 'Done') {
  return { description, content: { 'application/json': { schema } } }
}

/** Every refusal has this form. */
export const refusal = { description: 'Refused', content: { 'application/problem+json': { schema: problem } } }
