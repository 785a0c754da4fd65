import { describe, expect, test } from 'vitest'
import { decodeInferResponse } from '../../runtime/oip/infer.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { errorOf, openHost, outputOf } from './fixtures/scorers.ts'
import { counting, planOf, scaling } from './fixtures/served.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

describe('answers of scorer processes', { timeout: 30_000 }, () => {
  test('an answer says who gave it', async () => {
    await using host = await openHost()
    const { serve, inferRow } = host
    await serve('scale', 3, scaling(2))
    const answer = await inferRow(1, 2)
    expect(answer.status).toBe(200)
    expect(outputOf(answer, 'y')).toEqual(Float32Array.of(2, 4))
    expect(answer.headers).toMatchObject({
      'selvedge-deployment': 'blue',
      'selvedge-version': '3',
      'selvedge-provider': 'cpu',
      'content-type': 'application/octet-stream',
    })
  })

  test('JSON and binary give the same values', async () => {
    await using host = await openHost()
    const { scorers, serve, inferRow } = host
    await serve('scale', 3, scaling(1 / 3))
    const values = Float32Array.of(0.1, 1e-7)
    const json = `{"id":"7","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[${values.join()}]}]}`
    const answered = await scorers.ask('infer', { endpoint: 'scale' }, [encoder.encode(json)])
    const fromJson = decodeInferResponse(answered.body, undefined)
    expect(fromJson).toMatchObject({ model: 'scale', version: '3', id: '7' })
    expect(fromJson.outputs.y?.data).toEqual(outputOf(await inferRow(values[0] ?? 0, values[1] ?? 0), 'y'))
  })

  test('score answers classes and scores by name, and counts the rows', async () => {
    await using host = await openHost()
    const { scorers, reports, serve } = host
    await serve('scale', 3, scaling(1))
    const body = encoder.encode('{"records":[{"a":0.75,"b":0.25},{"a":0.25,"b":0.75}]}')
    const { status, body: answer } = await scorers.ask('score', { endpoint: 'scale', unit: 'u' }, [body])
    expect(status).toBe(200)
    expect(JSON.parse(decoder.decode(answer))).toEqual({
      model_name: 'scale',
      model_version: '3',
      predictions: [
        { class: 'low', scores: { low: 0.75, high: 0.25 } },
        { class: 'high', scores: { low: 0.25, high: 0.75 } },
      ],
    })
    await scorers.flush()
    expect(await scorers.count('scale')).toMatchObject({ rows: 2, dropped: 0 })
    expect(reports.flatMap(({ profiles }) => profiles.map(({ rows }) => rows))).toEqual([2])
    expect(reports.flatMap(({ exposures }) => exposures)).toHaveLength(1)
  })

  test('tells apart what callers sent to a deployment or a version by name', async () => {
    await using host = await openHost()
    const { scorers, reports, serve } = host
    await serve('scale', 3, scaling(1))
    const body = encoder.encode('{"records":[{"a":0.75,"b":0.25}]}')
    for (const pin of [{}, { deployment: 'blue' }, { version: 3 }]) {
      expect((await scorers.ask('score', { endpoint: 'scale', unit: 'u', ...pin }, [body])).status).toBe(200)
    }
    await scorers.flush()
    const requests = (latency: readonly number[] = []) => latency.reduce((sum, count) => sum + count, 0)
    const profiles = reports.flatMap((report) => report.profiles)
    expect(profiles.map(({ latency, pinned }) => [requests(latency), requests(pinned?.latency)])).toEqual([[3, 2]])
  })

  test('SC-17: 64 parallel requests over two processes each get the answer to their own input', async () => {
    await using host = await openHost({ count: 2 })
    const { serve, inferRow } = host
    await serve('scale', 3, scaling(3))
    const inputs = Array.from({ length: 64 }, (_, i) => i)
    const answers = await Promise.all(inputs.map((i) => inferRow(i, -i)))
    expect(answers.map((answer) => outputOf(answer, 'y'))).toEqual(inputs.map((i) => Float32Array.of(3 * i, -3 * i)))
  })

  test('a refusal of the model is an answer and the process lives on', async () => {
    await using host = await openHost()
    const { scorers, serve, infer } = host
    await serve('scale', 3, scaling(3))
    const [before] = scorers.processes
    const wrong = await infer('scale', { x: createTensor('FP32', [1, 3], new Float32Array(3)) })
    expect([wrong.status, errorOf(wrong)]).toEqual([400, 'input "x": got [1,3], want [N,2]'])
    expect(wrong.headers['selvedge-error']).toBe('SHAPE_MISMATCH')
    expect(scorers.processes).toEqual([before])
  })

  test('a model that is made for WebAssembly alone runs on it, free of the address space limit', async () => {
    await using host = await openHost()
    const { scorers, inferRow } = host
    const { plan, loaded } = planOf('scale', 3, scaling(2))
    const variants = loaded.deployment.variants.map((variant) => ({ ...variant, providers: ['wasm' as const] }))
    const [variant] = variants
    if (variant === undefined) throw new Error('no variant')
    const deployment = { ...loaded.deployment, variants }
    await scorers.serve({ ...plan, deployments: [deployment] }, async () => [{ ...loaded, deployment, variant }])
    const answer = await inferRow(1, 2)
    expect(outputOf(answer, 'y')).toEqual(Float32Array.of(2, 4))
    expect(answer.headers['selvedge-provider']).toBe('wasm')
    expect(scorers.processes.map((scorer) => scorer.limited)).toEqual([false])
  })

  test('SC-09: gzip is inflated, and no further than the limit', async () => {
    await using host = await openHost()
    const { scorers, serve } = host
    await serve('scale', 3, scaling(2))
    const gzip = async (text: string) =>
      new Uint8Array(
        await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer(),
      )
    const meta = { endpoint: 'scale', encoding: 'gzip' } as const
    const good = await scorers.ask('score', meta, [await gzip('{"records":[{"a":1,"b":0}]}')])
    const bomb = await scorers.ask('score', meta, [await gzip(' '.repeat(4 * 1024 * 1024 + 1))])
    const broken = await scorers.ask('score', meta, [encoder.encode('{}')])
    expect([good.status, bomb.status, broken.status]).toEqual([200, 413, 400])
  })

  test('a request fits whoever answers it: raw tensors and names of outputs are those of the pinned deployment', async () => {
    await using host = await openHost()
    const { scorers } = host
    const [blue, green] = [planOf('two', 3, scaling(2)), planOf('two', 4, counting())]
    const named = { ...green.loaded, deployment: { ...green.loaded.deployment, name: 'green' } }
    const plan = { ...blue.plan, deployments: [blue.loaded.deployment, named.deployment] }
    await scorers.serve(plan, async () => [blue.loaded, named])
    const raw = new Uint8Array(BigInt64Array.of(3n).buffer)
    const json = encoder.encode(
      '{"inputs":[{"name":"n","datatype":"INT64","shape":[],"data":[3]}],"outputs":[{"name":"count"}]}',
    )
    for (const pin of [{ version: 4 }, { deployment: 'green' }]) {
      const fromRaw = await scorers.ask('infer', { endpoint: 'two', headerLength: 0, ...pin }, [raw])
      expect(outputOf(fromRaw, 'count')).toEqual(BigInt64Array.of(3n))
      const fromJson = await scorers.ask('infer', { endpoint: 'two', ...pin }, [json])
      expect(decodeInferResponse(fromJson.body, undefined).outputs.count?.data).toEqual(BigInt64Array.of(3n))
    }
    const unpinned = await scorers.ask('infer', { endpoint: 'two' }, [json])
    expect([unpinned.status, errorOf(unpinned)]).toEqual([400, 'no output "count"; the outputs are "y"'])
  })
})
