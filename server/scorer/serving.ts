/** What a scorer process does with the frames of its front: a Scorer an endpoint, all behind one queue. */
import type { ExecutionProvider } from '../../runtime/contract/names.ts'
import type { ProfileReport, TelemetryReport } from '../../runtime/contract/telemetry.ts'
import type { LoadedDeployment } from '../../runtime/delivery/loader.ts'
import { decodeError, type ErrorMessage, encodeError, SelvedgeError } from '../../runtime/errors.ts'
import { openQueue } from '../../runtime/scoring/queue.ts'
import { openScorer, type Scorer } from '../../runtime/scoring/scorer.ts'
import type { OpenSession } from '../../runtime/scoring/session.ts'
import { openReporter, type Reporter } from '../../runtime/telemetry/reporter.ts'
import { errorAnswer } from '../http-answer.ts'
import { errorFields, type Log } from '../log.ts'
import type { Frame, FrameMeta, LoadedMeta, ReportedCounts } from '../protocol.ts'
import { release } from '../release.ts'
import type { RequestMeta, ScoredAnswer } from '../scoring.ts'
import type { Wire } from '../wire.ts'
import { answerInfer, answerScore } from './answer.ts'

export interface ServingOptions {
  openSession: OpenSession
  /** In order of preference. */
  providers: readonly ExecutionProvider[]
  send: Wire['send']
  log: Log
}

type Asked = Extract<Frame, { type: 'infer' | 'score' }>

interface Served {
  scorer: Scorer
  reporter: Reporter
  counts: ReturnType<typeof openReportedCounts>
  /** Plans are adopted one after the other. */
  adopting: Promise<void>
}

/** @returns what takes each frame of the front */
export function openServing(options: ServingOptions): (frame: Frame) => void {
  const { send, log } = options
  const endpoints = new Map<string, Served>()
  const running = new Map<number, AbortController>()
  const posts = new Map<number, { resolve(): void; reject(error: SelvedgeError): void }>()
  const queue = openQueue()
  let lastPost = 0

  function openEndpoint(): Served {
    const scorer = openScorer({ ...options, device: 'server', queueOf: () => queue })
    const counts = openReportedCounts()
    const reporter = openReporter({
      plan: () => scorer.plan,
      tally: scorer.tally,
      units: scorer.units,
      async post(report) {
        await post(report)
        counts.add(report)
      },
      failed: (error) => send('unsent', 0, encodeError(error)),
    })
    return { scorer, reporter, counts, adopting: Promise.resolve() }
  }

  function post(report: TelemetryReport): Promise<void> {
    return new Promise((resolve, reject) => {
      const id = ++lastPost
      posts.set(id, { resolve, reject })
      send('report', id, report)
    })
  }

  function settlePost(id: number, error: ErrorMessage | null): void {
    const waiting = posts.get(id)
    posts.delete(id)
    if (error === null) waiting?.resolve()
    else waiting?.reject(decodeError(error))
  }

  async function serve({ plan, loaded }: FrameMeta['serve'], body: Uint8Array): Promise<void> {
    let served = endpoints.get(plan.endpoint)
    if (served === undefined) {
      served = openEndpoint()
      endpoints.set(plan.endpoint, served)
    }
    const { scorer } = served
    const before = served.adopting
    const adopting = before.then(() => scorer.serve(plan, loadedDeployments(loaded, body)))
    served.adopting = adopting.catch(() => undefined)
    await adopting
  }

  async function withdraw(endpoint: string): Promise<void> {
    const served = endpoints.get(endpoint)
    endpoints.delete(endpoint)
    if (served === undefined) return
    await served.reporter.flush()
    served.reporter.close()
    await served.scorer.close()
  }

  async function flush(id: number): Promise<void> {
    const sent = await Promise.all(Array.from(endpoints.values(), ({ reporter }) => reporter.flush()))
    send('flushed', id, !sent.includes(false))
  }

  function named(endpoint: string): Served {
    const served = endpoints.get(endpoint)
    if (served !== undefined) return served
    throw new SelvedgeError('NOT_READY', `endpoint ${endpoint} is not loaded yet`)
  }

  async function score({ type, id, meta, body, isAlone }: Asked): Promise<void> {
    const controller = new AbortController()
    running.set(id, controller)
    const { body: answered, ...rest } = await scored(type, meta, body, controller.signal)
    running.delete(id)
    send('answer', id, rest, [answered], 'given')
    // What was answered was run and counted; a run that is refused or given up may still read its inputs.
    if (isAlone && rest.status === 200) release(body)
  }

  async function scored(
    type: 'infer' | 'score',
    meta: RequestMeta,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<ScoredAnswer> {
    try {
      const { scorer } = named(meta.endpoint)
      return await (type === 'infer' ? answerInfer : answerScore)(scorer, meta, body, signal)
    } catch (thrown) {
      if (encodeError(thrown).code === 'INTERNAL') log('error', 'request failed', errorFields(thrown))
      return errorAnswer(thrown)
    }
  }

  async function reply(id: number, work: Promise<void>): Promise<void> {
    try {
      await work
      send('done', id, null)
    } catch (thrown) {
      if (encodeError(thrown).code === 'INTERNAL') log('error', 'front was refused', errorFields(thrown))
      send('failed', id, encodeError(thrown))
    }
  }

  return (frame) => {
    const { type, id, meta, body } = frame
    switch (type) {
      case 'infer':
      case 'score':
        void score(frame)
        break
      case 'cancel':
        running.get(id)?.abort(new SelvedgeError('DEADLINE_EXCEEDED', 'the caller no longer waits'))
        break
      case 'serve':
        void reply(id, serve(meta, body))
        break
      case 'withdraw':
        void reply(id, withdraw(meta.endpoint))
        break
      case 'flush':
        void flush(id)
        break
      case 'outcome':
        endpoints.get(meta.endpoint)?.scorer.units.outcome(meta.unit, meta.values)
        break
      case 'count':
        send('counted', id, counted(endpoints.get(meta.endpoint)))
        break
      case 'posted':
        settlePost(id, meta)
        break
    }
  }
}

function counted(served: Served | undefined): ReportedCounts {
  if (served === undefined) return { rows: 0, dropped: 0, profiles: [] }
  const { counts, scorer } = served
  const { rows, at, profiles } = counts
  return { rows, at, profiles, dropped: scorer.tally.dropped + scorer.units.dropped }
}

function loadedDeployments(loaded: readonly LoadedMeta[], body: Uint8Array): LoadedDeployment[] {
  let at = 0
  return loaded.map(({ files, ...rest }) => {
    const [network, ...externalData] = files.map(({ path, size }) => {
      at += size
      return { path, data: body.subarray(at - size, at) }
    })
    if (network === undefined) throw new SelvedgeError('PLAN_INVALID', `variant ${rest.variant.id} has no file`)
    return { ...rest, bytes: { network: network.data, externalData } }
  })
}

/** Rows that were acknowledged: reports repeat what a window held before. */
function openReportedCounts() {
  const rowsByWindow = new Map<string, number>()
  const counts = {
    rows: 0,
    at: undefined as string | undefined,
    profiles: [] as readonly ProfileReport[],
    add({ window, profiles }: TelemetryReport): void {
      const rows = profiles.reduce((sum, profile) => sum + profile.rows, 0)
      counts.rows += Math.max(0, rows - (rowsByWindow.get(window) ?? 0))
      counts.at = new Date().toISOString()
      if (profiles.length > 0) counts.profiles = profiles
      if (rows > 0) rowsByWindow.set(window, rows)
      // Reports go in the order of their windows; the oldest will not come again.
      for (const oldest of rowsByWindow.keys()) {
        if (rowsByWindow.size <= keptWindows) break
        rowsByWindow.delete(oldest)
      }
    },
  }
  return counts
}

const keptWindows = 200
