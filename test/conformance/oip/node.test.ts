import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningRegistry, startRegistry } from '../../server/fixtures/registry.ts'
import { type RunningServer, startServer } from '../../server/fixtures/server.ts'
import { testCases } from './cases.ts'
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

  testCases(() => server.url)

  // RFC 9110 leaves it to the server whether it does; in workerd the platform does.
  test.each(['gzip', 'deflate'])('an answer of 2 KiB to a caller that accepts %s is compressed so', async (coding) => {
    const input = { name: 'x', datatype: 'BYTES', shape: [1], data: ['owl '.repeat(512)] }
    const answer = await fetch(`${server.url}/v2/models/echo-bytes/infer`, {
      method: 'POST',
      headers: { 'accept-encoding': coding },
      body: JSON.stringify({ inputs: [input] }),
    })
    expect(answer.headers.get('content-encoding')).toBe(coding)
    expect(await answer.json()).toMatchObject({ outputs: [{ name: 'y', data: input.data }] })
    expect(Number(answer.headers.get('content-length'))).toBeLessThan(500)
  })
})
