/** One variant in one fresh process, from its start to its last line. */
import { spawn } from 'node:child_process'
import { type Measurement, measurement, type Variant } from './scenario.ts'

const keptErrorBytes = 2000

/**
 * @param timeoutMs - after which the process and all that it started are killed
 * @throws Error that names the variant where it fails, hangs, or prints something else than a measurement
 */
export async function measure(
  variant: Variant,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<Measurement> {
  const [program, ...args] = variant.command
  signal?.throwIfAborted()
  // A group of its own, since a browser is many processes and all of them have to end with it.
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const killGroup = () => {
    // ESRCH: nothing of the group is left. A pid is missing where the program could not be started.
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  let output = ''
  let errors = ''
  let isLate = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-keptErrorBytes)
  })
  const timer = setTimeout(() => {
    isLate = true
    killGroup()
  }, timeoutMs)
  signal?.addEventListener('abort', killGroup, { once: true })
  try {
    const ended = await new Promise<string | undefined>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, killedBy) => {
        // Whatever it left behind would run into the next variant's time and hold its output open.
        killGroup()
        child.once('close', () => resolve(code === 0 ? undefined : (killedBy ?? `code ${code}`)))
      })
    })
    signal?.throwIfAborted()
    if (isLate) throw new Error(`variant "${variant.name}" did not end within ${timeoutMs} ms`)
    if (ended !== undefined) throw new Error(`variant "${variant.name}" ended with ${ended}: ${errors.trim()}`)
    return parseMeasurement(variant, output)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', killGroup)
  }
}

function parseMeasurement(variant: Variant, output: string): Measurement {
  const line = output.trimEnd().split('\n').at(-1) ?? ''
  try {
    return measurement.parse(JSON.parse(line))
  } catch (cause) {
    throw new Error(`variant "${variant.name}" printed no measurement: ${line.slice(0, 200)}`, { cause })
  }
}
