/**
 * The example programs of Triton's Python client, unmodified. They are taken from a checkout of its repository, whose
 * `src/python` the variable SELVEDGE_TRITON_CLIENT names, and need Debian's python3-geventhttpclient, python3-numpy,
 * python3-rapidjson and python3-aiohttp.
 */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeModel } from '../../../runtime/onnx/describe.ts'
import { encodeModel } from '../../../runtime/onnx/writer.ts'
import { bytesOf, pushModel, sendJson } from '../../registry/fixture.ts'
import { type RunningRegistry, startRegistry } from '../../server/fixtures/registry.ts'
import { type RunningServer, startServer } from '../../server/fixtures/server.ts'

const client = process.env.SELVEDGE_TRITON_CLIENT ?? ''
const library = fileURLToPath(new URL('triton-library.py', import.meta.url))
const models = fileURLToPath(new URL('../../../../shared/models/triton/', import.meta.url))
const served = ['simple', 'simple_string', 'simple_identity']
const isThere = existsSync(join(client, 'examples')) && existsSync(models)

describe.skipIf(!isThere)("the examples of Triton's Python client", { timeout: 60_000 }, () => {
  let registry: RunningRegistry
  let server: RunningServer

  beforeAll(async () => {
    registry = await startRegistry()
    for (const name of served) {
      const network = name === 'simple_identity' ? identity() : readFileSync(`${models}${name}/model.onnx`)
      const texts = (text: string) => ({ datatype: 'BYTES', shape: [1, 16], data: new Array<string>(16).fill(text) })
      // A first run of empty texts would be refused: they are no digits.
      const golden = {
        samples: [
          {
            inputs: ['INPUT0', 'INPUT1'].map((input) => ({ name: input, ...texts('2') })),
            outputs: [
              { name: 'OUTPUT0', ...texts('4') },
              { name: 'OUTPUT1', ...texts('0') },
            ],
          },
        ],
        tolerance: 1e-6,
      }
      const description = {
        ...describeModel(network, 'model.onnx'),
        ...(name === 'simple_string' && { golden: 'golden.json' }),
      }
      const files = {
        'model.onnx': new Uint8Array(network),
        'selvedge.json': bytesOf(description),
        ...(name === 'simple_string' && { 'golden.json': bytesOf(golden) }),
      }
      expect((await pushModel(registry.fixture, name.replace('_', '-'), '1', files)).status).toBe(201)
      const deployment = { model: name.replace('_', '-'), version: 1 }
      const path = `/api/v1/endpoints/${name}/deployments/only`
      expect((await sendJson(registry.fixture, 'PUT', path, deployment)).status).toBe(201)
    }
    server = await startServer(registry, '--compat', 'triton', '--scorers', '1')
    await server.untilReady(...served)
  }, 60_000)

  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await registry[Symbol.asyncDispose]()
  })

  test.each([
    ['simple_http_infer_client.py', 'Request for unknown model'],
    ['simple_http_infer_client.py', 'Request for unknown model', '--request-compression-algorithm', 'gzip'],
    ['simple_http_infer_client.py', 'Request for unknown model', '--response-compression-algorithm', 'deflate'],
    ['simple_http_string_infer_client.py', 'PASS: string'],
    ['simple_http_async_infer_client.py', '15 - 1 = 14'],
    ['simple_http_aio_infer_client.py', 'Request for unknown model'],
    ['simple_http_health_metadata.py', "'name': 'triton'"],
  ])('%s ends with 0 and says: %s', async (program, says, ...options) => {
    expect(await run(join(client, 'examples', program), '-u', new URL(server.url).host, ...options)).toContain(says)
  })

  test('its library reads extensions and compressed answers', async () => {
    expect(await run(library, new URL(server.url).host)).toBe('PASS: library\n')
  })
})

/** @returns its stdout */
async function run(...args: string[]): Promise<string> {
  const env = { ...process.env, PYTHONPATH: join(client, 'library') }
  return (await promisify(execFile)('/usr/bin/python3', args, { env })).stdout
}

/** Triton's own `simple_identity` is no ONNX file. */
function identity(): Uint8Array {
  return encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'identity',
      nodes: [{ operator: 'Identity', inputs: ['INPUT0'], outputs: ['OUTPUT0'] }],
      initializers: {},
      inputs: [{ name: 'INPUT0', datatype: 'BYTES', shape: ['N', 16] }],
      outputs: [{ name: 'OUTPUT0', datatype: 'BYTES', shape: ['N', 16] }],
    },
  })
}
