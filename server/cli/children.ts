/** The servers as child processes: started one after the other, ended the other way round, none left behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import type { Output } from './output.ts'

export interface Children {
  /**
   * Starts a server and waits until it listens.
   *
   * @param name - for messages, such as `registry`
   * @returns its address, ending in a slash
   * @throws SelvedgeError `REFUSED_TO_START` where it ends before; what it said is on stderr
   */
  start(name: string, entry: URL, args: readonly string[]): Promise<string>
  /** Rejects with `REFUSED_TO_START` when one ends by itself. */
  readonly died: Promise<never>
  /** Ends all, the last started first: what scores hands its last report to a registry that still listens. */
  end(): Promise<void>
  /** Ends all at once, by SIGKILL. */
  kill(): void
}

/** The line that a server writes to stdout once it listens. */
const readyLine = z.object({ ready: z.literal(true).optional(), url: z.url() })

function openChildren({ json }: Pick<Output, 'json'>): Children {
  // People read what must be done; programs, and whoever asks for it, read everything.
  const env = { ...process.env, SELVEDGE_LOG: process.env.SELVEDGE_LOG || (json ? 'info' : 'warn') }
  const running: { process: ChildProcess; gone: Promise<void> }[] = []
  const death = Promise.withResolvers<never>()
  death.promise.catch(() => undefined)
  let ending = false

  return {
    died: death.promise,
    async start(name, entry, args) {
      if (ending) throw new SelvedgeError('REFUSED_TO_START', `the ${name} is not started any more`)
      // A group of its own: Ctrl-C in a terminal reaches all of a group, and would end the registry first.
      // The channel closes when this process dies, however that happens, and then the child ends itself.
      const child = spawn(process.execPath, [fileURLToPath(entry), ...args], {
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
        detached: true,
        env,
      })
      const gone = new Promise<void>((resolve) => {
        child.once('error', (error) => {
          death.reject(new SelvedgeError('REFUSED_TO_START', `the ${name} cannot be started: ${error.message}`))
          resolve()
        })
        child.once('exit', (code, signal) => {
          if (!ending) {
            const how = signal === null ? `with code ${code}, its reason stands above` : `by ${signal}`
            death.reject(new SelvedgeError('REFUSED_TO_START', `the ${name} ended ${how}`))
          }
          resolve()
        })
      })
      running.push({ process: child, gone })
      return await Promise.race([readReady(child, name), death.promise])
    },
    async end() {
      ending = true
      for (const { process: child, gone } of running.toReversed()) {
        child.kill('SIGTERM')
        // It drains by itself within its limit; one that hangs is not waited for.
        const timer = setTimeout(() => child.kill('SIGKILL'), limits.drainMs + 5000)
        await gone
        clearTimeout(timer)
      }
    },
    kill() {
      for (const { process: child } of running) child.kill('SIGKILL')
    },
  }
}

function readReady(child: ChildProcess, name: string): Promise<string> {
  const { stdout } = child
  if (stdout === null) throw new SelvedgeError('REFUSED_TO_START', `the ${name} has no output`)
  return new Promise((resolve) => {
    // Everything after the first line is read on and dropped: a full pipe would stop the child.
    createInterface({ input: stdout }).on('line', (line) => {
      const ready = parseReady(line)
      if (ready !== undefined) resolve(ready.url.endsWith('/') ? ready.url : `${ready.url}/`)
    })
  })
}

function parseReady(line: string): z.infer<typeof readyLine> | undefined {
  try {
    return readyLine.safeParse(JSON.parse(line)).data
  } catch {
    return undefined
  }
}

/**
 * Keeps servers running until Ctrl-C, SIGTERM or the end of the terminal; a second signal ends them at once.
 *
 * @param output - with --json the servers log everything, without it what goes wrong; SELVEDGE_LOG settles it
 * @param start - starts them and says so
 * @throws SelvedgeError `REFUSED_TO_START` when one ends by itself; the others are ended, too
 */
export async function runUntilStopped(
  output: Pick<Output, 'json'>,
  start: (children: Children) => Promise<void>,
): Promise<void> {
  const children = openChildren(output)
  const stopped = Promise.withResolvers<'stopped'>()
  let asked = false
  const stop = () => {
    if (asked) children.kill()
    asked = true
    stopped.resolve('stopped')
  }
  for (const signal of signals) process.on(signal, stop)
  try {
    const started = start(children)
    // What is under way when a signal comes fails because the servers go away: nobody waits for it any more.
    started.catch(() => undefined)
    const first = await Promise.race([started, stopped.promise, children.died])
    if (first !== 'stopped') await Promise.race([stopped.promise, children.died])
  } finally {
    await children.end()
    for (const signal of signals) process.off(signal, stop)
  }
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
