/** Ctrl-C in the middle of a transfer: what came is kept, and the line on the terminal is left clean. */
import type { Output } from './output.ts'

/** Runs work; a first Ctrl-C says `note` and ends the process by that signal, as a shell expects. */
export async function untilInterrupted<T>(output: Output, note: string, work: () => Promise<T>): Promise<T> {
  const stop = () => {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    output.note(note)
    // Without a listener of ours the signal ends the process.
    process.off('SIGINT', stop)
    process.kill(process.pid, 'SIGINT')
  }
  process.on('SIGINT', stop)
  try {
    return await work()
  } finally {
    process.off('SIGINT', stop)
  }
}
