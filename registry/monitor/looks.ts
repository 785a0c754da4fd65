/** Looking: every monitor once a window, at the end of it, whoever asks or not. */

import { durationMs, type Monitor } from '../../runtime/contract/monitor.ts'
import type { MonitorReport } from '../../runtime/contract/monitor-reports.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { partsOf } from '../../runtime/monitor.ts'
import type { DeploymentState, EndpointState, Store } from '../store/store.ts'
import { end, follow, whole } from './alarms.ts'
import { attributionOf } from './attribution.ts'
import { reportAt } from './reports.ts'
import { theDefault, type Watched, watchedOf } from './watched.ts'

export interface Looks {
  /** Settles once no look is under way; none begins from now on. */
  close(): Promise<void>
}

interface LooksOptions {
  store: Store
  /** What hosts counted at the end of a window comes so much later. */
  lateMs: number
  now(): number
  log(entry: Record<string, unknown>): void
}

const minuteMs = 60_000

/** Looks at what is due since the last start, and from then on at each full minute: windows end there. */
export function openLooks(options: LooksOptions): Looks {
  const closing = new AbortController()
  const { signal } = closing
  const { now, lateMs } = options
  /** Ends of windows that were looked at, so that the store is not asked each minute. */
  const done = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined

  async function look(): Promise<void> {
    await lookAtAll(options, done, signal)
    if (signal.aborted) return
    timer = setTimeout(start, minuteMs - ((now() - lateMs) % minuteMs))
    timer.unref()
  }

  let running = look()
  function start(): void {
    running = look()
  }

  return {
    async close() {
      closing.abort()
      clearTimeout(timer)
      await running
    },
  }
}

async function lookAtAll(options: LooksOptions, done: Map<string, number>, signal: AbortSignal): Promise<void> {
  try {
    for await (const endpoint of allEndpoints(options.store)) {
      await endGone(options, endpoint)
      const due = await dueOf(options, done, endpoint)
      // Specs are large: they are read where they are needed.
      const watched = due.length === 0 ? [] : await watchedOf(options.store, endpoint)
      for (const look of due) {
        if (signal.aborted) return
        const found = watched.find(({ deployment }) => deployment === look.deployment)
        if (found !== undefined) await lookOnce(options, done, endpoint.name, look, found)
      }
    }
  } catch (thrown) {
    options.log({ level: 'error', event: 'monitors not looked at', cause: String(thrown) })
  }
}

interface DueLook {
  monitor: Monitor
  deployment: DeploymentState
  /** End of the last window, in ms since 1970. */
  at: number
  /** What was looked at then is in `done`. */
  key: string
}

async function dueOf(
  { store, lateMs, now }: LooksOptions,
  done: ReadonlyMap<string, number>,
  { name, deployments }: EndpointState,
): Promise<DueLook[]> {
  const made = await store.monitors.monitors(name)
  const monitors = made.some((each) => each.name === theDefault.name) ? made : [theDefault, ...made]
  const past = now() - lateMs
  return monitors.flatMap((monitor) => {
    const at = past - (past % durationMs(monitor.window))
    return deployments.flatMap((deployment) => {
      const key = JSON.stringify([name, monitor.name, monitor.createdAt, deployment.name, deployment.createdAt])
      const isDue = at > Date.parse(deployment.createdAt) && (done.get(key) ?? 0) < at
      return isDue ? [{ monitor, deployment, at, key }] : []
    })
  })
}

async function endGone({ store, now }: LooksOptions, endpoint: EndpointState): Promise<void> {
  const wholes = (await store.looks.states(endpoint.name)).filter(({ part }) => part === whole)
  for (const { monitor: name, deployment, version } of wholes) {
    const isServed = endpoint.deployments.some((each) => each.name === deployment && each.version === version)
    if (isServed) continue
    const { signal } = (await store.monitors.monitor(endpoint.name, name)) ?? theDefault
    const at = new Date(now()).toISOString()
    const looked = { endpoint: endpoint.name, monitor: name, deployment, version }
    await store.looks.end(looked, (states) => end(states, signal, at))
  }
}

async function* allEndpoints({ endpoints }: Store): AsyncGenerator<EndpointState> {
  const limit = 100
  for (let after: string | undefined; ; ) {
    const states = await endpoints.endpoints({ after, limit })
    yield* states
    if (states.length < limit) return
    after = states.at(-1)?.name
  }
}

// A look that fails is tried again in a minute; the others go on.
async function lookOnce(
  { store, log }: LooksOptions,
  done: Map<string, number>,
  endpoint: string,
  { monitor, deployment, at, key }: DueLook,
  watched: Watched,
): Promise<void> {
  const looked = { endpoint, monitor: monitor.name, deployment: deployment.name }
  try {
    const last = await store.looks.last(looked)
    if (last === undefined || Date.parse(last.at) < at) {
      const report = await reportAt(store, endpoint, monitor, watched, at)
      if (report.rows > 0) await record(store, report, last?.verdict)
    }
    done.set(key, at)
  } catch (thrown) {
    // The default monitor where there is no baseline, and deployments beside those for which a monitor was made.
    if (thrown instanceof SelvedgeError && thrown.code === 'MONITOR_REFUSED') return void done.set(key, at)
    log({ level: 'error', event: 'monitor not looked at', ...looked, cause: String(thrown) })
  }
}

async function record(store: Store, report: MonitorReport, before: string | undefined): Promise<void> {
  const { endpoint, deployment, version, at, verdict, rows } = report
  const { name: monitor, signal } = report.monitor
  const look = { endpoint, monitor, deployment, version, at }
  const parts = partsOf(report)
  const isNews = 'features' in report && verdict === 'drift' && before !== 'drift'
  const causes = isNews ? (await attributionOf(store, report)).causes : undefined
  await store.looks.record({ ...look, verdict, summary: { rows, parts }, report }, (before) =>
    follow(before, { ...look, signal, parts, causes }),
  )
}
