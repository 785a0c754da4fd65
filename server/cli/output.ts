/** What a command writes: its result to stdout, everything about the way there to stderr. */
import { SelvedgeError } from '../../runtime/errors.ts'
import { openProgress, type Progress } from './progress.ts'
import { plain } from './table.ts'

export interface Output {
  readonly json: boolean
  /** The result of a command: `value` with --json, else the text for people. */
  result(value: unknown, text: () => string): void
  /** A remark for people; not written with --json. */
  note(text: string): void
  /** How far work is that takes over a second; with --json only a terminal sees it. `bytes` shows bar, rate and time. */
  progress(label: string, unit?: 'bytes'): Progress
  failure(error: SelvedgeError): void
}

export function openOutput(
  json: boolean,
  stdout: NodeJS.WritableStream = process.stdout,
  stderr: NodeJS.WriteStream | NodeJS.WritableStream = process.stderr,
): Output {
  return {
    json,
    result(value, text) {
      stdout.write(json ? `${JSON.stringify(value, null, 2)}\n` : text())
    },
    note(text) {
      if (!json) stderr.write(`${text}\n`)
    },
    progress(label, unit) {
      if (json && !('isTTY' in stderr && stderr.isTTY)) return { update: () => undefined, end: () => undefined }
      return openProgress(label, stderr, { bytes: unit === 'bytes' })
    },
    failure(error) {
      stderr.write(json ? `${JSON.stringify(encodeFailure(error))}\n` : renderFailure(error))
    },
  }
}

function renderFailure(error: SelvedgeError): string {
  return `${error.code}: ${plain(error.message)}\n→ ${error.next}\n`
}

/** Exit code: 2 for a command that was written wrongly, 1 for one that was refused. */
export function exitCode(error: SelvedgeError): 1 | 2 {
  return error.code === 'USAGE' ? 2 : 1
}

/** Anything thrown as one of our errors; what nobody foresaw keeps its message and loses its stack. */
export function asFailure(thrown: unknown): SelvedgeError {
  if (thrown instanceof SelvedgeError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new SelvedgeError('INTERNAL', message, {}, { cause: thrown })
}

function encodeFailure(error: SelvedgeError): unknown {
  const { code, message, next, detail } = error
  return { error: { code, message, next, ...(Object.keys(detail).length > 0 && { detail }) } }
}
