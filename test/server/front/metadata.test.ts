import { describe, expect, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import { limits } from '../../../runtime/limits.ts'
import { createApp } from '../../../server/front/app.ts'
import { version } from '../../../server/version.ts'
import { description, errorOf, openFront } from './fixture.ts'

describe('what the scoring plane says of itself', () => {
  test('metadata gives -1 for every free dimension and the versions that are served', async () => {
    const { app } = openFront()
    const response = await app.request('/v2/models/digits')
    expect(await response.json()).toEqual({
      name: 'digits',
      versions: ['3', '4'],
      platform: 'onnxruntime_onnx',
      inputs: [
        { name: 'x', datatype: 'FP32', shape: [-1, 1, 28, 28] },
        { name: 'any', datatype: 'INT64', shape: [] },
      ],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 10] }],
    })
    expect((await app.request('/v2/models/digits/versions/4')).status).toBe(200)
    expect(await errorOf(app.request('/v2/models/digits/versions/5'))).toEqual([404, 'DEPLOYMENT_UNKNOWN'])
  })

  test('the server says its version, its extension and its guard', async () => {
    const { app } = openFront()
    expect(version).toBe(packageJson.version)
    const extensions: unknown = expect.arrayContaining(['binary_tensor_data', 'statistics', 'classification'])
    const metadata = { name: 'selvedge', version, extensions, guard: 'none' }
    expect(await (await app.request('/v2')).json()).toEqual(metadata)
    expect(await (await app.request('/v2/models')).json()).toEqual({ models: ['digits'] })
  })

  test('an ensemble says that it is one', async () => {
    const { app, states } = openFront()
    const ensemble = { ...description, variants: [] }
    states.both = { isReady: true, revision: 1, deployments: [{ name: 'blue', version: 1, description: ensemble }] }
    expect(await (await app.request('/v2/models/both')).json()).toMatchObject({ platform: 'ensemble' })
    const configuration = await (await app.request('/v2/models/both/config')).json()
    expect(configuration).toMatchObject({ platform: 'ensemble', backend: '' })
  })

  test('the repository lists every version with its state, and leaves out on demand what is not ready', async () => {
    const { app, states, post } = openFront()
    states.empty = { isReady: false, revision: undefined, deployments: [] }
    const digits = ['3', '4'].map((version) => ({ name: 'digits', version, state: 'READY', reason: '' }))
    const empty = { name: 'empty', state: 'UNAVAILABLE', reason: 'not loaded yet' }
    expect(await (await post('/v2/repository/index')).json()).toEqual([...digits, empty])
    expect(await (await app.request('/v2/repository/index')).json()).toEqual([...digits, empty])
    expect(await (await post('/v2/repository/index', '{"ready":true}')).json()).toEqual(digits)
    expect(await errorOf(post('/v2/repository/index', '{"ready":1}'))).toEqual([400, 'INVALID_REQUEST'])
  })

  test('the configuration is that of Triton: the batch axis is told apart', async () => {
    const { app, states } = openFront()
    const [inputs, outputs] = [
      description.inputs.slice(0, 1),
      [{ name: 'y', datatype: 'FP32' as const, shape: ['N', 10] }],
    ]
    const batched = { ...description, inputs, outputs }
    states.batched = { isReady: true, revision: 1, deployments: [{ name: 'blue', version: 1, description: batched }] }
    expect(await (await app.request('/v2/models/batched/config')).json()).toEqual({
      name: 'batched',
      platform: 'onnxruntime_onnx',
      backend: 'onnxruntime',
      version_policy: { specific: { versions: [1] } },
      max_batch_size: limits.batchRows,
      input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [1, 28, 28] }],
      output: [{ name: 'y', data_type: 'TYPE_FP32', dims: [10] }],
      instance_group: [{ name: 'batched', kind: 'KIND_CPU', count: 1 }],
      dynamic_batching: { max_queue_delay_microseconds: 0 },
    })
    const resources = { scorers: 1, batchRows: 4, batchDelayMs: 2.5 }
    const fixed = { name: 'blue', version: 1, description: batched, resources }
    states.batched = { isReady: true, revision: 2, deployments: [fixed] }
    expect(await (await app.request('/v2/models/batched/config')).json()).toMatchObject({
      max_batch_size: 4,
      instance_group: [{ count: 1 }],
      dynamic_batching: { max_queue_delay_microseconds: 2500 },
    })
    expect(await (await app.request('/v2/models/digits/versions/4/config')).json()).toMatchObject({
      max_batch_size: 0,
      output: [{ name: 'y', data_type: 'TYPE_FP32', dims: [-1, 10] }],
    })
    expect(await errorOf(app.request('/v2/models/digits/versions/5/config'))).toEqual([404, 'DEPLOYMENT_UNKNOWN'])
  })

  test('statistics count what was answered, of all models or of one version', async () => {
    const { app, post } = openFront()
    await post('/v2/models/digits/infer')
    const stats = async (path: string) =>
      ((await (await app.request(path)).json()) as { model_stats: { inference_count: number }[] }).model_stats
    const [one, four] = await stats('/v2/models/digits/stats')
    expect(one).toMatchObject({ name: 'digits', version: '3', inference_count: 1, execution_count: 1 })
    expect(await stats('/v2/models/digits/versions/3/stats')).toEqual([one])
    expect(four).toMatchObject({ name: 'digits', version: '4', inference_count: 0, last_inference: 0 })
    expect(await stats('/v2/models/digits/versions/4/stats')).toEqual([four])
    expect(await stats('/v2/models/stats')).toEqual([one, four])
    expect(await errorOf(app.request('/v2/models/digits/versions/5/stats'))).toEqual([404, 'DEPLOYMENT_UNKNOWN'])
    expect(await errorOf(app.request('/v2/models/nothing/stats'))).toEqual([404, 'ENDPOINT_UNKNOWN'])
  })

  test("the texts for which Triton's clients look are there for those who ask, and for nobody else", async () => {
    const { parts, app } = openFront()
    const triton = { 'selvedge-compat': 'triton' }
    const asTriton = createApp({ ...parts, compat: 'triton' })
    const said = async (path: string, of = app, headers = {}) => await (await of.request(path, { headers })).json()
    const unknown = { error: "Request for unknown model: 'nothing' is not found" }
    expect(await said('/v2/models/nothing', app, triton)).toEqual(unknown)
    expect(await said('/v2/models/nothing', asTriton)).toEqual(unknown)
    expect(await said('/v2/models/nothing')).toEqual({ error: 'no endpoint "nothing" is served here' })
    expect(await said('/v2', app, triton)).toMatchObject({ name: 'triton' })
    expect(await said('/v2', asTriton)).toMatchObject({ name: 'triton' })
    expect(await errorOf(app.request('/v2', { headers: { 'selvedge-compat': 'kserve' } }))).toEqual([
      400,
      'INVALID_REQUEST',
    ])
  })

  test('it is live at once and ready when every endpoint is', async () => {
    const { app, states } = openFront()
    const statuses = async () =>
      Promise.all(
        ['/v2/health/live', '/healthz', '/v2/health/ready', '/readyz', '/v2/models/digits/ready'].map(
          async (path) => (await app.request(path)).status,
        ),
      )
    expect(await statuses()).toEqual([200, 200, 200, 200, 200])
    states.digits = { isReady: false, revision: undefined, deployments: [] }
    expect(await statuses()).toEqual([200, 200, 503, 503, 503])
    expect(await errorOf(app.request('/v2/models/digits'))).toEqual([503, 'NOT_READY'])
  })
})
