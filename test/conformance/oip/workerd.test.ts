import { afterAll, beforeAll, describe } from 'vitest'
import { startWorker, type Worker } from '../../server/edge/worker.ts'
import { type RunningRegistry, startRegistry } from '../../server/fixtures/registry.ts'
import { testCases } from './cases.ts'
import { deployModels, endpoints } from './models.ts'

describe('Open Inference Protocol v2 in workerd', { timeout: 30_000 }, () => {
  let registry: RunningRegistry
  let worker: Worker

  beforeAll(async () => {
    registry = await startRegistry()
    await deployModels(registry)
    const { url, key } = registry
    worker = await startWorker({ registry: url, key, endpoints, callers: 'anyone' })
    // Asking whether all are ready loads them.
    const ready = await fetch(`${worker.url}/v2/health/ready`)
    if (!ready.ok) throw new Error(await ready.text())
  }, 60_000)

  afterAll(async () => {
    await worker[Symbol.asyncDispose]()
    await registry[Symbol.asyncDispose]()
  })

  testCases(() => worker.url)
})
