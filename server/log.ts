/** The log of a server process: JSON lines on stderr. No line holds a payload, a secret or a unit. */

export type Log = (level: 'info' | 'warn' | 'error', event: string, fields?: Readonly<Record<string, unknown>>) => void

const levels: readonly (string | undefined)[] = ['info', 'warn', 'error'] satisfies Parameters<Log>[0][]

// From this level on; everything where the variable names none.
const least = levels.indexOf(process.env.SELVEDGE_LOG)

export const log: Log = (level, event, fields) => {
  if (levels.indexOf(level) < least) return
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), level, event, ...fields })}\n`)
}

/** Anything thrown as fields of a line; the stack only of what is not ours. */
export function errorFields(thrown: unknown): Record<string, unknown> {
  if (!(thrown instanceof Error)) return { error: String(thrown) }
  if ('code' in thrown && thrown.name === 'SelvedgeError') return { code: thrown.code, error: thrown.message }
  return { error: thrown.message, stack: thrown.stack }
}
