/**
 * Cursors of searches: where a page ended, bound to the query whose pages they are. They hold no secret and give no right:
 * what a page shows is decided by the query and the token that come with it.
 */
import { createHash } from 'node:crypto'
import type { z } from 'zod'
import { SelvedgeError } from '../../runtime/errors.ts'

const sealLength = 22

/** @param query - what must come again with the cursor */
export function encodePosition(query: readonly unknown[], position: unknown): string {
  const text = JSON.stringify(position)
  return sealOf(query, text) + text
}

/** @throws {@link SelvedgeError} `INVALID_REQUEST` for one that is cut, changed or of another query */
export function decodePosition<Position extends z.ZodType>(
  query: readonly unknown[],
  cursor: string,
  position: Position,
): z.infer<Position> {
  const text = cursor.slice(sealLength)
  const parsed = position.safeParse(
    text.length > 0 && cursor.startsWith(sealOf(query, text)) ? readJson(text) : undefined,
  )
  if (parsed.success) return parsed.data
  throw new SelvedgeError('INVALID_REQUEST', 'query cursor: this cursor was not given out for this query')
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
