/** One queue per device: two runs at once on one WebGPU device hang without any event (design, section 12). */
import { SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'

export interface QueueOptions {
  /** Higher runs first; equal ones in the order they came. Default 0. */
  priority?: number | undefined
  /** Moment of `performance.now()` after which the task is not started any more. */
  deadline?: number | undefined
  /** Of a request that was admitted before: a full queue is no reason to refuse it. */
  isAdmitted?: boolean | undefined
  /** Frees the place of a task that was not started. */
  signal?: AbortSignal | undefined
}

export interface Queue {
  /**
   * Runs `task` alone, when those of higher priority and those before it have ended.
   *
   * @throws {@link SelvedgeError} `QUEUE_FULL` at once where `limits.queueLength` tasks wait, `DEADLINE_EXCEEDED` where
   * its deadline passed while it waited, the signal's reason where that aborts; the task then never runs
   */
  run<Result>(task: () => Promise<Result>, options?: QueueOptions): Promise<Result>
  /** The same for what keeps the house, such as trying a new session: it is never refused. */
  runAlways<Result>(task: () => Promise<Result>): Promise<Result>
  /** Tasks waiting or running. */
  readonly length: number
}

interface Waiting {
  priority: number
  start(): Promise<void>
}

export function openQueue(): Queue {
  const waiting: Waiting[] = []
  let running = false

  async function drain(): Promise<void> {
    running = true
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next.start()
    running = false
  }

  function add<Result>(task: () => Promise<Result>, { priority = 0, deadline, signal }: QueueOptions): Promise<Result> {
    return new Promise((resolve, reject) => {
      const entry: Waiting = {
        priority,
        async start() {
          signal?.removeEventListener('abort', leave)
          if (deadline !== undefined && performance.now() > deadline) {
            return reject(new SelvedgeError('DEADLINE_EXCEEDED', 'the deadline passed while the request waited'))
          }
          await task().then(resolve, reject)
        },
      }
      const leave = () => {
        const place = waiting.indexOf(entry)
        if (place >= 0) waiting.splice(place, 1)
        reject(signal?.reason)
      }
      if (signal?.aborted) return leave()
      signal?.addEventListener('abort', leave, { once: true })
      const behind = waiting.findIndex((other) => other.priority < priority)
      waiting.splice(behind < 0 ? waiting.length : behind, 0, entry)
      if (!running) void drain()
    })
  }

  return {
    get length() {
      return waiting.length + (running ? 1 : 0)
    },
    run(task, options = {}) {
      if (options.isAdmitted || waiting.length < limits.queueLength) return add(task, options)
      return Promise.reject(new SelvedgeError('QUEUE_FULL', `${waiting.length} requests wait already`))
    },
    runAlways: (task) => add(task, {}),
  }
}
