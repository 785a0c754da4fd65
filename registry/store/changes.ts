/** Which windows of a day changed lately, so that what is remembered of a day is known to be right or not. */

export interface Changes {
  counted(endpoint: string, window: string): void
  /**
   * Of the reports that were counted after a version: their lowest window, undefined where there was none.
   *
   * @param since - a version that was given before; 0 for none
   */
  since(endpoint: string, day: string, since: number): { version: number; lowest?: string }
}

const mostDays = 1000

export function openChanges(): Changes {
  let version = 1
  /** Versions before are forgotten. */
  let known = 1
  /** By day, rising in both: an earlier change of a later window does not matter. */
  const days = new Map<string, { version: number; window: string }[]>()
  const keyOf = (endpoint: string, day: string) => `${day} ${endpoint}`
  return {
    counted(endpoint, window) {
      version++
      const key = keyOf(endpoint, window.slice(0, 10))
      if (!days.has(key) && days.size >= mostDays) {
        days.clear()
        known = version
      }
      const held = days.get(key) ?? []
      while ((held.at(-1)?.window ?? '') >= window) held.pop()
      held.push({ version, window })
      days.set(key, held)
    },
    since(endpoint, day, since) {
      if (since < known) return { version, lowest: day }
      const lowest = days.get(keyOf(endpoint, day))?.find((change) => change.version > since)?.window
      return { version, ...(lowest !== undefined && { lowest }) }
    },
  }
}
