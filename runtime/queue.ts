/** One queue per device or process: two runs at once on one WebGPU device hang without any event (design, section 12). */
import { SelvedgeError } from './errors.ts'
import { limits } from './limits.ts'

export interface Queue {
  /**
   * Runs `task` when every task before it has ended.
   *
   * @throws {@link SelvedgeError} `QUEUE_FULL` at once where `limits.queueLength` tasks wait; the signal's reason where
   * it aborts before the task started, which then never runs
   */
  run<Result>(task: () => Promise<Result>, signal?: AbortSignal): Promise<Result>
  /** The same for what keeps the house, such as closing a session: it is never refused and never leaves. */
  runAlways<Result>(task: () => Promise<Result>): Promise<Result>
  /** Tasks waiting or running. */
  readonly length: number
}

export function openQueue(): Queue {
  const waiting: (() => Promise<void>)[] = []
  let running = false

  async function drain(): Promise<void> {
    running = true
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next()
    running = false
  }

  function add<Result>(task: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    return new Promise((resolve, reject) => {
      const start = async () => {
        signal?.removeEventListener('abort', leave)
        await task().then(resolve, reject)
      }
      const leave = () => {
        const place = waiting.indexOf(start)
        if (place >= 0) waiting.splice(place, 1)
        reject(signal?.reason)
      }
      if (signal?.aborted) return leave()
      signal?.addEventListener('abort', leave, { once: true })
      waiting.push(start)
      if (!running) void drain()
    })
  }

  return {
    get length() {
      return waiting.length + (running ? 1 : 0)
    },
    run(task, signal) {
      if (waiting.length < limits.queueLength) return add(task, signal)
      return Promise.reject(new SelvedgeError('QUEUE_FULL', `${waiting.length} requests wait already`))
    },
    runAlways: (task) => add(task),
  }
}
