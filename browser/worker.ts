/** The worker behind a page: the page's calls, answered by its host. */
import { expose } from 'comlink'
import { SelvedgeError } from '../runtime/errors.ts'
import { isThread, runThread } from './builds.ts'
import type { Host } from './host.ts'
import { readPixels } from './images.ts'
import { openPlatform } from './platform.ts'
import { watchPolicy } from './policy.ts'
import { type ConnectionEvent, type Progress, type Told, trialName, type WorkerApi } from './protocol.ts'
import { keepErrorCodes } from './thrown.ts'
import { giveAnswer, largeBuffers } from './transfer.ts'
import type { Said, TrialTask } from './trial.ts'

// ONNX Runtime's own threads load this same file under another name, and so do trials of them.
if (isThread(self.name)) void runThread(self.name)
else if (self.name === trialName) startTrial()
else start()

function start(): void {
  keepErrorCodes()
  let opened: Host | undefined
  const spent: ArrayBuffer[] = []

  function host(): Host {
    if (opened === undefined) throw new SelvedgeError('HOST_CLOSED', 'the worker is not connected')
    return opened
  }

  const api: WorkerApi = {
    hold: (lock) =>
      new Promise((held, refused) => {
        const forEver = new Promise(() => undefined)
        const request = navigator.locks.request(lock, () => {
          held()
          return forEver
        })
        request.catch(refused)
      }),
    async open(options) {
      const policy = watchPolicy(self)
      try {
        const progress = (progress: Progress) => tell({ told: 'progress', progress })
        progress({ phase: 'plan' })
        const platform = await openPlatform(options, progress)
        // Most of this worker's code is run while others read, prove and compile ONNX Runtime.
        const { openHost } = await import('./host.ts')
        const event = (event: ConnectionEvent) => tell({ told: 'event', event })
        opened = await openHost(options, platform, {
          progress,
          event,
          draft: (draft) => tell({ told: 'draft', draft }),
        })
        await opened.follower.ready
      } catch (error) {
        throw await policy.explain(error)
      } finally {
        policy.close()
      }
      if (options.isReplacement) opened.scorer.count('WORKER_UNAVAILABLE')
      tell({ told: 'progress', progress: { phase: 'ready' } })
    },
    async score(records, unit) {
      const { scorer, threads, choose, draftSoon } = host()
      const released = () => undefined
      const score = () => scorer.score({ records: records.map(readPixels), released }, choose(unit))
      return await threads.during(score).finally(draftSoon)
    },
    async infer(inputs, unit) {
      const { scorer, threads, choose, draftSoon } = host()
      const released = () => void spent.push(...largeBuffers(inputs))
      const answer = await threads.during(() => scorer.infer({ inputs, released }, choose(unit))).finally(draftSoon)
      return giveAnswer({ ...answer, spent: spent.splice(0) })
    },
    async outcome(unit, values) {
      const { scorer, draft } = host()
      scorer.units.outcome(unit, values)
      // What became true often takes the visitor away.
      await draft()
    },
    async destroyDevice() {
      const { gpu } = host()
      if ('absent' in gpu) throw new SelvedgeError('PROVIDER_UNAVAILABLE', gpu.absent)
      await gpu.destroyDevice()
    },
    state: async () => await host().state(),
    report: async () => await host().reporter.flush(true),
    async close() {
      await host().close()
      opened = undefined
    },
    ping: async () => undefined,
  }
  expose(api)
  // The page waits for a first word: a worker that was blocked never says one.
  tell({ told: 'started' })
}

function startTrial(): void {
  self.addEventListener('message', async ({ data }: MessageEvent<TrialTask>) => {
    const { runTrial } = await import('./trial.ts')
    await runTrial(data)
  })
  const started: Said = { said: 'started' }
  postMessage(started)
}

function tell(told: Told): void {
  postMessage(told)
}
