/** Who may call a scoring server that can be reached from elsewhere: whoever sends one of its tokens (RFC 6750). */

/** Whether two arrays of equal length hold the same; takes as long for any of them. Every platform has its own. */
export type TimingSafeEqual = (a: Uint8Array, b: Uint8Array) => boolean

/** @returns whether an `Authorization` header bears one of the tokens; how long it takes tells their length at most */
export function openCallers(
  tokens: readonly string[],
  timingSafeEqual: TimingSafeEqual,
): (authorization: string | undefined) => boolean {
  const encoder = new TextEncoder()
  const known = tokens.map((token) => encoder.encode(token))
  return (authorization) => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
    if (token === undefined) return false
    const sent = encoder.encode(token)
    return known.filter((each) => each.length === sent.length && timingSafeEqual(each, sent)).length > 0
  }
}
