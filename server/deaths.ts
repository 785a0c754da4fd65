/** Deaths of scorer processes: five within a minute put the endpoint that was at work aside, longer each time. */

export interface Deaths {
  /** @param suspect - the endpoint whose request or plan was at work; absent where the process was idle */
  add(suspect: string | undefined): void
  /** For how long the endpoint stays put aside, in ms; 0 where it is not. */
  asideMs(endpoint: string): number
  /** A new plan starts with a clean sheet. */
  forgive(endpoint: string): void
  /** How long to wait before the next process is started, in ms. */
  respawnMs(): number
  readonly most: number
  readonly spanMs: number
}

const most = 5
const spanMs = 60_000
const firstAsideMs = 30_000
const longestAsideMs = 600_000
/** Idle deaths have no suspect: the machine or the build is at fault, and starting again and again does not help. */
const respawnPauseMs = 30_000

interface Sheet {
  deaths: number[]
  asideUntil: number
  nextAsideMs: number
}

export function openDeaths(now: () => number = Date.now): Deaths {
  const sheets = new Map<string | undefined, Sheet>()

  return {
    most,
    spanMs,
    add(suspect) {
      const sheet = sheets.get(suspect) ?? { deaths: [], asideUntil: 0, nextAsideMs: firstAsideMs }
      sheets.set(suspect, sheet)
      sheet.deaths = [...sheet.deaths.filter((at) => at > now() - spanMs), now()]
      if (sheet.deaths.length < most) return
      sheet.asideUntil = now() + sheet.nextAsideMs
      sheet.nextAsideMs = Math.min(sheet.nextAsideMs * 2, longestAsideMs)
      sheet.deaths = []
    },
    asideMs: (endpoint) => Math.max(0, (sheets.get(endpoint)?.asideUntil ?? 0) - now()),
    forgive: (endpoint) => void sheets.delete(endpoint),
    respawnMs() {
      return (sheets.get(undefined)?.asideUntil ?? 0) > now() ? respawnPauseMs : 0
    },
  }
}
