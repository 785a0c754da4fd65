/** Who may call a scoring server that can be reached from elsewhere: whoever sends one of its tokens (RFC 6750). */
import { createHash, timingSafeEqual } from 'node:crypto'

/** @returns whether an `Authorization` header bears one of the tokens; takes as long for any of them, and for none */
export function openCallers(tokens: readonly string[]): (authorization: string | undefined) => boolean {
  const known = tokens.map(digest)
  return (authorization) => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
    if (token === undefined) return false
    const sent = digest(token)
    return known.filter((each) => timingSafeEqual(each, sent)).length > 0
  }
}

// Of equal length, as the comparison needs them.
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
