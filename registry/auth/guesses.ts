/**
 * Guesses: tokens that were wrong, by the address that sent them. Past the limit an address is told to wait; a right token
 * is let in all the same, or whoever shares an address with a guesser would be locked out by them. Secrets have 256 random
 * bits: the limit keeps guessing cheap for us, not impossible for them.
 */
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'

export interface Guesses {
  /**
   * One more wrong token.
   *
   * @throws {@link SelvedgeError} `TOO_MANY_REQUESTS` past the limit
   */
  wrong(address: string): void
}

const windowMs = 60_000
const mostAddresses = 10_000

export function openGuesses(now: () => number): Guesses {
  let began = now()
  const counts = new Map<string, number>()
  return {
    wrong(address) {
      const at = now()
      if (at - began >= windowMs || at < began) {
        began = at
        counts.clear()
      }
      // Whoever comes from more addresses than that shares one count.
      const key = counts.has(address) || counts.size < mostAddresses ? address : 'others'
      const count = (counts.get(key) ?? 0) + 1
      counts.set(key, count)
      if (count <= limits.wrongTokens) return
      throw new SelvedgeError('TOO_MANY_REQUESTS', `more than ${limits.wrongTokens} wrong tokens came from here`, {
        retryAfterMs: began + windowMs - at,
      })
    },
  }
}
