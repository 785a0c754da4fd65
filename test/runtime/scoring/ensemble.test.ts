import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Description, TensorSignature } from '../../../runtime/contract/description.ts'
import type { PlanEnsemble } from '../../../runtime/contract/ensemble.ts'
import { type Plan, type PlanDeployment, plan as planSchema } from '../../../runtime/contract/plan.ts'
import type { LoadedDeployment } from '../../../runtime/delivery/loader.ts'
import { limits } from '../../../runtime/limits.ts'
import { encodeModel, type ModelToWrite } from '../../../runtime/onnx/writer.ts'
import { openNodeSession } from '../../../runtime/providers/node.ts'
import { openQueue } from '../../../runtime/scoring/queue.ts'
import { openScorer, type Scorer } from '../../../runtime/scoring/scorer.ts'
import { createTensor, type Tensors } from '../../../runtime/tensor/tensor.ts'

const base: Plan = planSchema.parse(
  JSON.parse(readFileSync(new URL('../../contract/plan.json', import.meta.url), 'utf8')),
)

/** Rows of one width in, rows of one width out: out = Σ in · weights. */
interface Linear {
  inputs: { width: number; weights: number[] }[]
  outputWidth: number
  rows?: string | number
}

interface Network {
  bytes: Uint8Array
  description: Description
}

const rowsOf = (name: string, width: number, rows: string | number = 'N'): TensorSignature => ({
  name,
  datatype: 'FP32',
  shape: [rows, width],
})

function networkOf({ inputs, outputWidth, rows }: Linear): Network {
  const nodes: ModelToWrite['graph']['nodes'] = inputs.flatMap((_, i) => [
    { operator: 'MatMul', inputs: [`x${i}`, `w${i}`], outputs: [`p${i}`] },
    i === 0
      ? { operator: 'Identity', inputs: ['p0'], outputs: ['s0'] }
      : { operator: 'Add', inputs: [`s${i - 1}`, `p${i}`], outputs: [`s${i}`] },
  ])
  const graph: ModelToWrite['graph'] = {
    name: 'linear',
    nodes: [...nodes, { operator: 'Identity', inputs: [`s${inputs.length - 1}`], outputs: ['y'] }],
    initializers: Object.fromEntries(
      inputs.map(({ width, weights }, i) => [
        `w${i}`,
        createTensor('FP32', [width, outputWidth], Float32Array.from(weights)),
      ]),
    ),
    inputs: inputs.map(({ width }, i) => rowsOf(`x${i}`, width, rows)),
    outputs: [rowsOf('y', outputWidth, rows)],
  }
  return {
    bytes: encodeModel({ opsets: { '': 17 }, graph }),
    description: {
      inputs: [...graph.inputs],
      outputs: [...graph.outputs],
      variants: [{ id: 'fp32', file: 'model.onnx', providers: ['cpu'] }],
    },
  }
}

const scaling = (factor: number, rows?: string | number) =>
  networkOf({ inputs: [{ width: 2, weights: [factor, 0, 0, factor] }], outputWidth: 2, ...(rows && { rows }) })

const loadedAs = (name: string, version: number, { bytes, description }: Network): LoadedDeployment => {
  const variant = { id: 'fp32', providers: ['cpu' as const], files: [] }
  const digest = `sha256:${String(version).padStart(64, '0')}`
  const deployment: PlanDeployment = {
    name,
    model: 'linear',
    version,
    manifest: digest,
    description: digest,
    variants: [{ ...variant, files: [{ path: 'model.onnx', digest, size: bytes.length, chunks: [digest.slice(7)] }] }],
  }
  return { deployment, description, variant, bytes: { network: bytes, externalData: [] } }
}

const planOf = (revision: number, loaded: readonly LoadedDeployment[], ensembles: PlanEnsemble[]): Plan => ({
  ...base,
  revision,
  deployments: loaded.map(({ deployment }) => deployment),
  ensembles,
  ranges: [['green', 0, 1_000_000]],
})

/** x → ·2 → t → ·5 → y */
const chain = (version = 7, rows: string | number = 'N'): PlanEnsemble => ({
  name: 'green',
  version,
  inputs: [rowsOf('x', 2, rows)],
  outputs: [rowsOf('y', 2, rows)],
  steps: [
    { deployment: 'green/1', inputs: { x0: 'x' }, outputs: { y: 't' } },
    { deployment: 'green/2', inputs: { x0: 't' }, outputs: { y: 'y' } },
  ],
})

const chained = (rows?: string | number) => [
  loadedAs('green/1', 1, scaling(2, rows)),
  loadedAs('green/2', 2, scaling(5, rows)),
]

const row = (...values: number[]) => createTensor('FP32', [1, values.length], Float32Array.from(values))

describe('an ensemble in a scorer', () => {
  let scorer: Scorer
  let opened = 0

  beforeEach(() => {
    opened = 0
    const queue = openQueue()
    scorer = openScorer({
      async openSession(...args) {
        opened++
        return await openNodeSession(...args)
      },
      providers: ['cpu'],
      device: 'server',
      queueOf: () => queue,
    })
  })
  afterEach(() => scorer.close())

  const infer = async (inputs: Tensors, outputs?: string[]) =>
    await scorer.infer({ inputs, outputs }, scorer.choose({}))

  test('answers as its steps do when they are run one after the other by hand', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryEnsemble, async ({ steps, rows, seed }) => {
        const networks = steps.map(({ linear }) => networkOf(linear))
        const byHand: Tensors = externalTensors(steps, rows, seed)
        const external = Object.keys(byHand)
        const given = { ...byHand }
        for (const [i, { takes, makes }] of steps.entries()) {
          const { bytes } = networks[i] as Network
          const session = await openNodeSession({ network: bytes, externalData: [] }, 'cpu')
          const inputs = Object.fromEntries(takes.map((name, k) => [`x${k}`, byHand[name] as Tensors[string]]))
          byHand[makes] = (await session.run(inputs)).y as Tensors[string]
          await session.close()
        }
        const made = steps.map(({ makes }) => makes)
        const widthOf = (name: string) => byHand[name]?.shape[1] ?? 0
        const ensemble: PlanEnsemble = {
          name: 'green',
          version: 1,
          inputs: external.map((name) => rowsOf(name, widthOf(name))),
          outputs: made.map((name) => rowsOf(name, widthOf(name))),
          steps: steps.map(({ takes, makes }, i) => ({
            deployment: `green/${i + 1}`,
            inputs: Object.fromEntries(takes.map((name, k) => [`x${k}`, name])),
            outputs: { y: makes },
          })),
        }
        const loaded = networks.map((network, i) => loadedAs(`green/${i + 1}`, i + 1, network))
        await scorer.serve(planOf(1, loaded, [ensemble]), loaded)
        const { outputs } = await infer(given)
        expect(outputs).toEqual(Object.fromEntries(made.map((name) => [name, byHand[name]])))
        // The next case has other networks under the same versions.
        await scorer.close()
      }),
      { numRuns: 100, seed: 6 },
    )
  })

  test('says who answered: its own version, and what each step ran on', async () => {
    const loaded = chained()
    await scorer.serve(planOf(1, loaded, [chain()]), loaded)
    const { outputs, ...by } = await infer({ x: row(1, 2) })
    expect(outputs.y?.data).toEqual(Float32Array.of(10, 20))
    expect(by).toMatchObject({
      deployment: 'green',
      version: 7,
      variant: 'ensemble',
      provider: 'cpu',
      why: 'linear: cpu is the first that loads it; linear: cpu is the first that loads it',
    })
  })

  test('is counted under its own name and version, and none of its steps is', async () => {
    const loaded = chained()
    await scorer.serve(planOf(1, loaded, [chain()]), loaded)
    await infer({ x: row(1, 2) })
    await expect(infer({ x: row(1, 2, 3) })).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' })
    const { profiles } = scorer.tally.current()
    expect(profiles.map(({ deployment, version, variant, rows }) => [deployment, version, variant, rows])).toEqual([
      ['green', 7, 'ensemble', 1],
    ])
  })

  test('is pinned by its name or version; its steps are not there for callers', async () => {
    const loaded = chained()
    await scorer.serve(planOf(1, loaded, [chain()]), loaded)
    expect(scorer.choose({ version: 7 }).description.inputs).toEqual([rowsOf('x', 2)])
    expect(() => scorer.choose({ deployment: 'green/1' })).toThrow('has no deployment green/1')
    expect(() => scorer.choose({ version: 1 })).toThrow('serves no version 1')
  })

  test('gives the outputs that are asked for alone', async () => {
    const loaded = chained()
    const both = { ...chain(), outputs: [rowsOf('t', 2), rowsOf('y', 2)] }
    await scorer.serve(planOf(1, loaded, [both]), loaded)
    expect((await infer({ x: row(1, 2) }, ['t'])).outputs).toEqual({ t: row(2, 4) })
  })

  test('shares its runs among requests where every step has a batch axis', async () => {
    const loaded = chained()
    await scorer.serve(planOf(1, loaded, [chain()]), loaded)
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => infer({ x: row(i, 2 * i) })))
    expect(answers.map(({ outputs }) => outputs.y)).toEqual(Array.from({ length: 8 }, (_, i) => row(10 * i, 20 * i)))
    // The first found nobody to share with.
    expect(answers.map(({ batch }) => batch.requests)).toEqual([1, ...new Array(7).fill(7)])
  })

  test('runs each request alone where it has none', async () => {
    const loaded = chained(1)
    await scorer.serve(planOf(1, loaded, [chain(7, 1)]), loaded)
    const answers = await Promise.all(Array.from({ length: 4 }, (_, i) => infer({ x: row(i, i) })))
    expect(answers.map(({ batch }) => batch.alone)).toEqual(new Array(4).fill('axis'))
  })

  test('batches as its resources say', async () => {
    const loaded = chained()
    await scorer.serve(planOf(1, loaded, [{ ...chain(), resources: { batchRows: 2, batchDelayMs: 50 } }]), loaded)
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => infer({ x: row(i, i) })))
    expect(Math.max(...answers.map(({ batch }) => batch.requests))).toBe(2)
  })

  test('is not refused in the midst of its steps by a queue that others fill', async () => {
    const loaded = [...chained(), loadedAs('blue', 3, scaling(2, 1))]
    await scorer.serve(planOf(1, loaded, [chain()]), loaded)
    const blue = () => scorer.infer({ inputs: { x0: row(1, 1) } }, scorer.choose({ deployment: 'blue' }))
    const others = Array.from({ length: limits.queueLength + 10 }, () =>
      blue().then(
        () => 'answered',
        ({ code }) => code,
      ),
    )
    expect((await infer({ x: row(1, 2) })).outputs.y).toEqual(row(10, 20))
    expect(await Promise.all(others)).toContain('QUEUE_FULL')
  })

  test('shares the session of a step with a deployment of the same version', async () => {
    const loaded = [...chained(), loadedAs('blue', 1, scaling(2))]
    await scorer.serve(planOf(1, loaded, [chain()]), loaded)
    expect(opened).toBe(2)
  })

  test('answers what it accepted while a new plan takes its place', async () => {
    const loaded = chained()
    await scorer.serve(planOf(1, loaded, [chain()]), loaded)
    const accepted = Array.from({ length: 30 }, (_, i) => infer({ x: row(i, i) }))
    const next = [loadedAs('green/1', 3, scaling(3)), loadedAs('green/2', 4, scaling(7))]
    await scorer.serve(planOf(2, next, [chain(8)]), next)
    const answers = await Promise.all(accepted)
    expect(answers.map(({ outputs }) => outputs.y)).toEqual(answers.map((_, i) => row(10 * i, 10 * i)))
    expect(await infer({ x: row(1, 1) })).toMatchObject({ version: 8, outputs: { y: row(21, 21) } })
  })

  test('whose step is not in the plan is refused, and the plan before goes on', async () => {
    const loaded = chained()
    await scorer.serve(planOf(1, loaded, [chain()]), loaded)
    const [first] = loaded
    await expect(scorer.serve(planOf(2, loaded.slice(0, 1), [chain(8)]), first ? [first] : [])).rejects.toMatchObject({
      code: 'PLAN_INVALID',
    })
    expect(await infer({ x: row(1, 1) })).toMatchObject({ version: 7 })
  })
})

interface RandomStep {
  linear: Linear
  takes: string[]
  makes: string
}

const weight = fc.integer({ min: -4, max: 4 })

/** Steps in an order in which they can run: each takes tensors from outside or of steps before it. */
const arbitraryEnsemble = fc
  .record({
    widths: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
    steps: fc.array(
      fc.record({
        picks: fc.uniqueArray(fc.nat({ max: 20 }), { minLength: 1, maxLength: 3 }),
        width: fc.integer({ min: 1, max: 3 }),
        weights: fc.array(weight, { minLength: 9, maxLength: 9 }),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    rows: fc.integer({ min: 1, max: 4 }),
    seed: fc.nat({ max: 100 }),
  })
  .map(({ widths, steps: drawn, rows, seed }) => {
    const known = widths.map((width, i) => ({ name: `in${i}`, width }))
    const steps = drawn.map(({ picks, width, weights }, i): RandomStep => {
      const taken = picks.map((pick) => known[pick % known.length] ?? { name: 'in0', width: 1 })
      const makes = `t${i}`
      known.push({ name: makes, width })
      return {
        linear: {
          inputs: taken.map((each) => ({ width: each.width, weights: weights.slice(0, each.width * width) })),
          outputWidth: width,
        },
        takes: taken.map(({ name }) => name),
        makes,
      }
    })
    return { steps, rows, seed }
  })

function externalTensors(steps: readonly RandomStep[], rows: number, seed: number): Tensors {
  const made = new Set(steps.map(({ makes }) => makes))
  const tensors: Tensors = {}
  for (const { takes, linear } of steps) {
    for (const [k, name] of takes.entries()) {
      if (made.has(name)) continue
      const width = linear.inputs[k]?.width ?? 1
      const values = Float32Array.from({ length: rows * width }, (_, i) => ((i * 7 + seed) % 11) - 5)
      tensors[name] = createTensor('FP32', [rows, width], values)
    }
  }
  return tensors
}
