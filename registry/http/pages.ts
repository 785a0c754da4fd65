/**
 * Pages of lists. A cursor says where a page ended and is bound to the query whose pages they are. It holds no secret and
 * gives no right: what a page shows is decided by the query and the token that come with it.
 */
import { createHash } from 'node:crypto'
import { z } from '@hono/zod-openapi'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'

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
    .optional(),
})

const sealLength = 22

/**
 * Cuts a list that was read one item longer than the page.
 *
 * @param query - what must come again with the cursor
 * @param position - of an item in the list
 */
export function pageOf<Item>(
  items: readonly Item[],
  limit: number,
  query: readonly unknown[],
  position: (last: Item) => unknown,
) {
  const last = items.length > limit ? items[limit - 1] : undefined
  return { items: items.slice(0, limit), ...(last !== undefined && { nextCursor: encode(query, position(last)) }) }
}

/**
 * Where the page before ended; undefined for the first page.
 *
 * @throws {@link SelvedgeError} `INVALID_REQUEST` for a cursor that is cut, changed or of another query
 */
export function positionOf<Position extends z.ZodType>(
  query: readonly unknown[],
  cursor: string | undefined,
  position: Position,
): z.infer<Position> | undefined {
  if (cursor === undefined) return undefined
  const opened = Buffer.from(cursor, 'base64url').toString()
  const text = opened.slice(sealLength)
  const isSealed = text.length > 0 && opened.startsWith(sealOf(query, text))
  const parsed = position.safeParse(isSealed ? readJson(text) : undefined)
  if (parsed.success) return parsed.data
  throw new SelvedgeError('INVALID_REQUEST', 'query cursor: this cursor was not given out for this query')
}

function encode(query: readonly unknown[], position: unknown): string {
  const text = JSON.stringify(position)
  return Buffer.from(sealOf(query, text) + text).toString('base64url')
}

function sealOf(query: readonly unknown[], text: string): string {
  return createHash('sha256')
    .update(JSON.stringify([query, text]))
    .digest('base64url')
    .slice(0, sealLength)
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
