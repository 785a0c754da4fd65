import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Golden } from '../../runtime/contract/golden.ts'
import type { TelemetryReport } from '../../runtime/contract/telemetry.ts'
import { decodeInferResponse, encodeInferRequest } from '../../runtime/oip/infer.ts'
import type { Tensors } from '../../runtime/tensor.ts'
import { createTensor } from '../../runtime/tensor.ts'
import { openScorers, type Scorers, type ScorersOptions } from '../../server/scorers.ts'
import type { ScoredAnswer } from '../../server/scoring.ts'
import { descendants, isAlive } from './cli/command.ts'
import { counting, expanding, planOf, type ServedModel, scaling } from './fixtures/served.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A first run without end. */
const endless: Golden = {
  samples: [
    {
      inputs: [{ name: 'n', datatype: 'INT64', shape: [], data: [2 ** 52] }],
      outputs: [{ name: 'count', datatype: 'INT64', shape: [], data: [0] }],
    },
  ],
  tolerance: 1e-6,
}

describe('scorer processes', { timeout: 30_000 }, () => {
  let scorers: Scorers
  let reports: TelemetryReport[]
  let lines: string[]

  async function open(options: Partial<ScorersOptions> = {}): Promise<void> {
    scorers = await openScorers({
      count: 1,
      standby: false,
      post: async (report) => void reports.push(report),
      log: (_level, event) => lines.push(event),
      ...options,
    })
  }

  async function serve(endpoint: string, revision: number, model: ServedModel): Promise<void> {
    const { plan, loaded } = planOf(endpoint, revision, model)
    await scorers.serve(plan, async () => [loaded])
  }

  function infer(endpoint: string, inputs: Tensors): Promise<ScoredAnswer> {
    const { body, headerLength } = encodeInferRequest(inputs)
    return scorers.ask('infer', { endpoint, headerLength }, body)
  }

  const inferRow = (a: number, b: number) => infer('scale', { x: createTensor('FP32', [1, 2], Float32Array.of(a, b)) })
  const inferCount = (n: bigint) => infer('count', { n: createTensor('INT64', [], BigInt64Array.of(n)) })

  const outputOf = ({ headers, body }: ScoredAnswer, name: string) =>
    decodeInferResponse(body, Number(headers['inference-header-content-length'])).outputs[name]?.data
  const errorOf = ({ body }: ScoredAnswer) => (JSON.parse(decoder.decode(body)) as { error: string }).error

  const revisions = () => scorers.processes.map((scorer) => scorer.plan('scale')?.revision)

  /** Scorer processes that are none of those that serve. */
  function spares(): number[] {
    const serving = new Set(scorers.processes.map(({ pid }) => pid))
    return descendants(process.pid).filter((pid) => isScorer(pid) && isAlive(pid) && !serving.has(pid))
  }

  async function untilReady(endpoint: string): Promise<void> {
    await vi.waitFor(() => expect(scorers.isReady(endpoint)).toBe(true), { timeout: 5000, interval: 20 })
  }

  beforeEach(() => {
    reports = []
    lines = []
  })

  afterEach(async () => {
    await scorers.close()
    for (const { pid } of scorers.processes) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  test('an answer says who gave it', async () => {
    await open()
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
    await open()
    await serve('scale', 3, scaling(1 / 3))
    const values = Float32Array.of(0.1, 1e-7)
    const json = `{"id":"7","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[${values.join()}]}]}`
    const answered = await scorers.ask('infer', { endpoint: 'scale' }, encoder.encode(json))
    const fromJson = decodeInferResponse(answered.body, undefined)
    expect(fromJson).toMatchObject({ model: 'scale', version: '3', id: '7' })
    expect(fromJson.outputs.y?.data).toEqual(outputOf(await inferRow(values[0] ?? 0, values[1] ?? 0), 'y'))
  })

  test('score answers classes and scores by name, and counts the rows', async () => {
    await open()
    await serve('scale', 3, scaling(1))
    const body = encoder.encode('{"records":[{"a":0.75,"b":0.25},{"a":0.25,"b":0.75}]}')
    const { status, body: answer } = await scorers.ask('score', { endpoint: 'scale', unit: 'u' }, body)
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

  test('SC-17: 64 parallel requests over two processes each get the answer to their own input', async () => {
    await open({ count: 2 })
    await serve('scale', 3, scaling(3))
    const inputs = Array.from({ length: 64 }, (_, i) => i)
    const answers = await Promise.all(inputs.map((i) => inferRow(i, -i)))
    expect(answers.map((answer) => outputOf(answer, 'y'))).toEqual(inputs.map((i) => Float32Array.of(3 * i, -3 * i)))
  })

  test('a refusal of the model is an answer and the process lives on', async () => {
    await open()
    await serve('scale', 3, scaling(3))
    const [before] = scorers.processes
    const wrong = await infer('scale', { x: createTensor('FP32', [1, 3], new Float32Array(3)) })
    expect([wrong.status, errorOf(wrong)]).toEqual([400, 'input "x": got [1,3], want [N,2]'])
    expect(wrong.headers['selvedge-error']).toBe('SHAPE_MISMATCH')
    expect(scorers.processes).toEqual([before])
  })

  test('a model that is made for WebAssembly alone runs on it, free of the address space limit', async () => {
    await open()
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
    await open()
    await serve('scale', 3, scaling(2))
    const gzip = async (text: string) =>
      new Uint8Array(
        await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer(),
      )
    const meta = { endpoint: 'scale', encoding: 'gzip' } as const
    const good = await scorers.ask('score', meta, await gzip('{"records":[{"a":1,"b":0}]}'))
    const bomb = await scorers.ask('score', meta, await gzip(' '.repeat(4 * 1024 * 1024 + 1)))
    const broken = await scorers.ask('score', meta, encoder.encode('{}'))
    expect([good.status, bomb.status, broken.status]).toEqual([200, 413, 400])
  })

  test('a new plan answers with its version; one that does not load leaves the plan before', async () => {
    await open({ count: 2 })
    await serve('scale', 3, scaling(2))
    await serve('scale', 4, scaling(5))
    expect(outputOf(await inferRow(1, 2), 'y')).toEqual(Float32Array.of(5, 10))
    const broken = { ...scaling(7), network: Uint8Array.of(1, 2, 3) }
    await expect(serve('scale', 5, broken)).rejects.toMatchObject({ code: 'MODEL_INVALID' })
    expect(outputOf(await inferRow(1, 2), 'y')).toEqual(Float32Array.of(5, 10))
  })

  test('a request fits whoever answers it: raw tensors and names of outputs are those of the pinned deployment', async () => {
    await open()
    const [blue, green] = [planOf('two', 3, scaling(2)), planOf('two', 4, counting())]
    const named = { ...green.loaded, deployment: { ...green.loaded.deployment, name: 'green' } }
    const plan = { ...blue.plan, deployments: [blue.loaded.deployment, named.deployment] }
    await scorers.serve(plan, async () => [blue.loaded, named])
    const raw = new Uint8Array(BigInt64Array.of(3n).buffer)
    const json = encoder.encode(
      '{"inputs":[{"name":"n","datatype":"INT64","shape":[],"data":[3]}],"outputs":[{"name":"count"}]}',
    )
    for (const pin of [{ version: 4 }, { deployment: 'green' }]) {
      const fromRaw = await scorers.ask('infer', { endpoint: 'two', headerLength: 0, ...pin }, raw)
      expect(outputOf(fromRaw, 'count')).toEqual(BigInt64Array.of(3n))
      const fromJson = await scorers.ask('infer', { endpoint: 'two', ...pin }, json)
      expect(decodeInferResponse(fromJson.body, undefined).outputs.count?.data).toEqual(BigInt64Array.of(3n))
    }
    const unpinned = await scorers.ask('infer', { endpoint: 'two' }, json)
    expect([unpinned.status, errorOf(unpinned)]).toEqual([400, 'no output "count"; the outputs are "y"'])
  })

  test('a plan is in force once one process serves it; one that cannot load it stops no newer plan', async () => {
    await open({ count: 2 })
    await serve('scale', 3, scaling(2))
    await vi.waitFor(() => expect(revisions()).toEqual([3, 3]), { timeout: 5000 })
    const four = planOf('scale', 4, scaling(5))
    const late = Promise.withResolvers<void>()
    let loads = 0
    await scorers.serve(four.plan, async () => {
      // The spare process and the first one have it; the second waits for its bytes.
      if (++loads > 2) await late.promise
      return [four.loaded]
    })
    expect(revisions().sort()).toEqual([3, 4])
    for (let i = 0; i < 4; i++) expect(outputOf(await inferRow(1, 2), 'y')).toEqual(Float32Array.of(5, 10))
    await serve('scale', 5, scaling(7))
    await vi.waitFor(() => expect(revisions()).toEqual([5, 5]), { timeout: 5000 })
    late.resolve()
    await scorers.flush()
    expect(revisions()).toEqual([5, 5])
  })

  test('a plan that kills what loads it costs no serving process and no request, and the plan before goes on', async () => {
    await open()
    await serve('scale', 3, scaling(2))
    const [serving] = scorers.processes
    const { plan, loaded } = planOf('count', 1, counting())
    for (let time = 1; time <= 6; time++) {
      const adopted = scorers.serve(plan, async () => [{ ...loaded, golden: endless }])
      const refused = expect(adopted).rejects.toMatchObject({ code: 'SCORER_DIED' })
      await vi.waitFor(() => expect(spares()).toHaveLength(1), { timeout: 5000 })
      expect(outputOf(await inferRow(1, 2), 'y')).toEqual(Float32Array.of(2, 4))
      for (const pid of spares()) process.kill(pid, 'SIGKILL')
      await refused
    }
    expect(scorers.processes).toEqual([serving])
    expect(scorers.restarts).toBe(0)
    await serve('count', 2, counting())
    expect(outputOf(await inferCount(3n), 'count')).toEqual(BigInt64Array.of(3n))
    await vi.waitFor(() => expect(spares()).toEqual([]))
  })

  test('a plan that killed a process at its restart is tried out before the next one loads it', async () => {
    await open()
    const { plan, loaded } = planOf('count', 1, counting())
    const loadedBy: string[] = []
    await scorers.serve(plan, async () => {
      loadedBy.push(spares().length > 0 ? 'spare' : 'scorer')
      return [loadedBy.length === 2 ? { ...loaded, golden: endless } : loaded]
    })
    for (const loads of [1, 2]) {
      await vi.waitFor(() => expect(loadedBy).toHaveLength(loads), { timeout: 5000 })
      await vi.waitFor(() => expect(scorers.processes[0]?.busy).toBe(loads - 1), { timeout: 5000 })
      process.kill(scorers.processes[0]?.pid ?? 0, 'SIGKILL')
      await vi.waitFor(() => expect(scorers.restarts).toBe(loads))
    }
    await untilReady('count')
    expect([loadedBy.length, ...loadedBy.slice(0, 3)]).toEqual([4, 'scorer', 'scorer', 'spare'])
  })

  test('an outcome that comes while no process is there is reported by the next one', async () => {
    await open()
    await serve('scale', 3, scaling(2))
    process.kill(scorers.processes[0]?.pid ?? 0, 'SIGKILL')
    await vi.waitFor(() => expect(scorers.isReady('scale')).toBe(false))
    scorers.outcome({ endpoint: 'scale', unit: 'u', values: { paid: true } })
    expect(await scorers.flush()).toBe(false)
    await untilReady('scale')
    expect(await scorers.flush()).toBe(true)
    expect(reports.flatMap(({ outcomes }) => outcomes.map(({ values }) => values))).toEqual([{ paid: true }])
  })

  test('RT-19: after kill -9 every request in flight is answered by the process that stood by, and one more is started', async () => {
    await open({ standby: true })
    await serve('scale', 3, scaling(2))
    await vi.waitFor(() => expect(revisions()).toEqual([3, 3]), { timeout: 5000 })
    const [victim, standby] = scorers.processes
    const rows = Array.from({ length: 50 }, (_, i) => i)
    const inFlight = rows.map((i) => inferRow(i, -i))
    process.kill(victim?.pid ?? 0, 'SIGKILL')
    const answers = await Promise.all(inFlight)
    expect(answers.map((answer) => outputOf(answer, 'y'))).toEqual(rows.map((i) => Float32Array.of(2 * i, -2 * i)))
    await vi.waitFor(() => expect(revisions()).toEqual([3, 3]), { timeout: 2000 })
    expect(scorers.processes[0]).toBe(standby)
    expect(scorers.restarts).toBe(1)
  })

  test('RT-19: without a process that stands by, requests wait for the next one', async () => {
    await open()
    await serve('scale', 3, scaling(2))
    const inFlight = [inferRow(1, 2), inferRow(3, 4)]
    process.kill(scorers.processes[0]?.pid ?? 0, 'SIGKILL')
    const late = inferRow(5, 6)
    const answers = await Promise.all([...inFlight, late])
    expect(answers.map((answer) => outputOf(answer, 'y'))).toEqual([
      Float32Array.of(2, 4),
      Float32Array.of(6, 8),
      Float32Array.of(10, 12),
    ])
  })

  test('a request that kills its process kills one more and is refused; those beside it are answered', async () => {
    await open({ standby: true })
    await serve('count', 1, counting())
    await vi.waitFor(() => expect(scorers.processes.every((each) => each.plan('count'))).toBe(true), { timeout: 5000 })
    const [first, second] = scorers.processes
    const deadly = inferCount(2n ** 62n).catch((error: { code: string }) => error.code)
    const beside = [inferCount(1n), inferCount(2n)]
    await vi.waitFor(() => expect(first?.busy).toBe(3))
    process.kill(first?.pid ?? 0, 'SIGKILL')
    const answers = await Promise.all(beside)
    expect(answers.map((answer) => outputOf(answer, 'count'))).toEqual([BigInt64Array.of(1n), BigInt64Array.of(2n)])
    await vi.waitFor(() => expect(second?.busy).toBe(1))
    process.kill(second?.pid ?? 0, 'SIGKILL')
    expect(await deadly).toBe('SCORER_DIED')
    await untilReady('count')
    expect(scorers.restarts).toBe(2)
  })

  test('SC-11: a run without end is answered DEADLINE_EXCEEDED within half a second of its deadline, and a fresh process serves', async () => {
    await open({ runMs: 1000 })
    await serve('count', 1, counting())
    const [victim] = scorers.processes
    const asked = performance.now()
    await expect(inferCount(2n ** 63n - 1n)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(performance.now() - asked).toBeLessThan(1500)
    await untilReady('count')
    expect(outputOf(await inferCount(3n), 'count')).toEqual(BigInt64Array.of(3n))
    expect(scorers.processes[0]?.pid).not.toBe(victim?.pid)
  })

  test('SC-10: an output of gigabytes is refused or kills its process, never the host', async () => {
    await open()
    await serve('expand', 1, expanding())
    const answer = await infer('expand', { shape: createTensor('INT64', [1], BigInt64Array.of(600_000_000n)) }).catch(
      (error: { code: string }) => error.code,
    )
    expect(typeof answer === 'string' ? answer : answer.status).toSatisfy(
      (what) => what === 'SCORER_DIED' || what === 422,
    )
    await untilReady('expand')
    const small = await infer('expand', { shape: createTensor('INT64', [1], BigInt64Array.of(3n)) })
    expect(outputOf(small, 'y')).toEqual(new Float32Array(3))
  })

  test('RT-19: five deaths within a minute disable the endpoint that caused them; others go on', async () => {
    await open({ runMs: 200 })
    await serve('scale', 3, scaling(2))
    await serve('count', 1, counting())
    for (let death = 1; death <= 5; death++) {
      await untilReady('count')
      await expect(inferCount(2n ** 62n)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
      await vi.waitFor(() => expect(scorers.restarts).toBe(death))
    }
    await untilReady('scale')
    expect(outputOf(await inferRow(1, 1), 'y')).toEqual(Float32Array.of(2, 2))
    expect(scorers.isReady('count')).toBe(false)
    await expect(inferCount(1n)).rejects.toMatchObject({
      code: 'NOT_READY',
      message: 'endpoint count is disabled: its requests killed 5 scorers within 60 s',
      detail: { retryAfterMs: expect.any(Number) },
    })
  })

  test('one caller cannot fill a queue: the rest is for others', async () => {
    await open()
    await serve('scale', 3, scaling(1))
    const { body, headerLength } = encodeInferRequest({ x: createTensor('FP32', [1, 2], new Float32Array(2)) })
    const ask = (caller: string) => scorers.ask('infer', { endpoint: 'scale', headerLength, caller }, body)
    const asked = Array.from({ length: 90 }, () => ask('a'))
    const other = ask('b')
    const codes = (await Promise.allSettled(asked)).flatMap((each) =>
      each.status === 'rejected' ? [each.reason.code] : [],
    )
    expect(codes).toEqual(new Array(14).fill('TOO_MANY_REQUESTS'))
    expect((await other).status).toBe(200)
  })

  test('SC-14: a request that cannot be answered before its deadline is refused at once', async () => {
    await open()
    await serve('count', 1, counting())
    // What a run takes is learnt from those before.
    await inferCount(300_000n)
    const long = inferCount(300_000n)
    const { body, headerLength } = encodeInferRequest({ n: createTensor('INT64', [], BigInt64Array.of(1n)) })
    await expect(scorers.ask('infer', { endpoint: 'count', headerLength, timeoutMs: 1 }, body)).rejects.toMatchObject({
      code: 'QUEUE_FULL',
      detail: { retryAfterMs: expect.any(Number) },
    })
    await long
  })

  test('requests past the queue limit are refused at once with QUEUE_FULL, and the rest are answered', async () => {
    await open()
    await serve('scale', 3, scaling(1))
    const asked = await Promise.allSettled(Array.from({ length: 300 }, () => inferRow(1, 1)))
    const refused = asked.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []))
    expect(refused).toEqual(new Array(199).fill('QUEUE_FULL'))
  })

  test('SC-14: a caller who leaves while waiting is not run', async () => {
    await open({ runMs: 5000 })
    await serve('count', 1, counting())
    const long = inferCount(200_000n)
    const controller = new AbortController()
    const { body, headerLength } = encodeInferRequest({ n: createTensor('INT64', [], BigInt64Array.of(2n ** 62n)) })
    const left = scorers.ask('infer', { endpoint: 'count', headerLength }, body, controller.signal)
    controller.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    expect(outputOf(await long, 'count')).toEqual(BigInt64Array.of(200_000n))
    // Had it been run, this one would wait for ever.
    expect(outputOf(await inferCount(1n), 'count')).toEqual(BigInt64Array.of(1n))
  })
})

function isScorer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('/server/scorer.ts')
  } catch {
    return false
  }
}
