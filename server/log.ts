/** The log of a server process: JSON lines on stderr. No line holds a payload, a secret or a unit. */
import { pino } from 'pino'

export type Log = (level: 'info' | 'warn' | 'error', event: string, fields?: Readonly<Record<string, unknown>>) => void

const levels = ['info', 'warn', 'error']

// Written at once: what a process says as it ends must not stay in a buffer.
const logger = pino(
  {
    level: levels.find((each) => each === process.env.SELVEDGE_LOG) ?? 'info',
    base: null,
    messageKey: 'event',
    timestamp: () => `,"at":"${new Date().toISOString()}"`,
    formatters: { level: (level) => ({ level }) },
  },
  pino.destination({ fd: 2, sync: true }),
)

export const log: Log = (level, event, fields) => logger[level](fields ?? {}, event)

/** Anything thrown as fields of a line; the stack only of what is not ours. */
export function errorFields(thrown: unknown): Record<string, unknown> {
  if (!(thrown instanceof Error)) return { error: String(thrown) }
  if ('code' in thrown && thrown.name === 'SelvedgeError') return { code: thrown.code, error: thrown.message }
  return { error: thrown.message, stack: thrown.stack }
}
