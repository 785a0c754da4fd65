import { afterAll, beforeAll, describe, test } from 'vitest'
import { type RunningRegistry, startRegistry } from '../../server/fixtures/registry.ts'
import { type RunningServer, startServer } from '../../server/fixtures/server.ts'
import { checkCase, readCases } from './cases.ts'
import { deployModels, endpoints } from './models.ts'

describe('Open Inference Protocol v2 on Node', { timeout: 30_000 }, () => {
  let registry: RunningRegistry
  let server: RunningServer

  beforeAll(async () => {
    registry = await startRegistry()
    await deployModels(registry)
    server = await startServer(registry, '--scorers', '1')
    await server.untilReady(...endpoints)
  }, 60_000)

  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await registry[Symbol.asyncDispose]()
  })

  for (const { file, cases } of readCases()) {
    describe(file, () => {
      test.each(cases)('$clause: $name', async (each) => {
        await checkCase(each, (path, init) => fetch(`${server.url}${path}`, init))
      })
    })
  }
})
