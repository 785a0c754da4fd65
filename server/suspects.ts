/**
 * Suspects: requests whose scorer process died are asked once more, one at a time, in a process that does nothing else
 * meanwhile. So none is lost with its neighbour, and the one that kills again is known.
 */
import { SelvedgeError } from '../runtime/errors.ts'

export interface Suspects<Process> {
  /** Requests that wait here or are asked. */
  readonly length: number
  /** The process that is kept for them now. */
  readonly reserved: Process | undefined
  /** Settles when the next of them was answered. */
  changed(): Promise<void>
  /** @throws SelvedgeError what `find` and `ask` throw; `SCORER_DIED` where it kills its process again */
  run<Result>(suspect: Suspect<Process, Result>): Promise<Result>
}

export interface Suspect<Process, Result> {
  /** A process that does nothing else. */
  find(): Promise<Process>
  ask(process: Process): Promise<Result>
  /** It killed a process in which it was alone. */
  guilty(): void
}

export function openSuspects<Process>(): Suspects<Process> {
  const waiting: (() => Promise<void>)[] = []
  let length = 0
  let reserved: Process | undefined
  let running = false
  let next = Promise.withResolvers<void>()

  // The newest first: the one that was at work when its process died is the oldest of them, and may kill or hang again.
  async function drain(): Promise<void> {
    if (running) return
    running = true
    for (let start = waiting.pop(); start !== undefined; start = waiting.pop()) {
      await start()
      length--
      if (waiting.length === 0) reserved = undefined
      next.resolve()
      next = Promise.withResolvers()
    }
    running = false
  }

  async function askAlone<Result>({ find, ask, guilty }: Suspect<Process, Result>): Promise<Result> {
    reserved = await find()
    try {
      return await ask(reserved)
    } catch (thrown) {
      if (isDeath(thrown)) guilty()
      throw thrown
    }
  }

  return {
    get length() {
      return length
    },
    get reserved() {
      return reserved
    },
    changed: () => next.promise,
    run(suspect) {
      length++
      return new Promise((resolve, reject) => {
        waiting.push(() => askAlone(suspect).then(resolve, reject))
        // All that died together are here before the first is asked.
        setImmediate(() => void drain())
      })
    },
  }
}

export function isDeath(thrown: unknown): boolean {
  return thrown instanceof SelvedgeError && thrown.code === 'SCORER_DIED'
}
