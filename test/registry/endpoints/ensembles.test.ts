import { describe, expect, test } from 'vitest'
import { composeEnsemble, type DescribedStep } from '../../../registry/endpoints/ensembles.ts'
import type { Description, Feature, TensorSignature } from '../../../runtime/contract/description.ts'
import type { EnsembleStep } from '../../../runtime/contract/ensemble.ts'
import { latencyEdgesMs } from '../../../runtime/contract/telemetry.ts'
import { verifyPlan } from '../../../runtime/plan/plan.ts'
import { describing, refusal } from '../../fixtures/descriptions.ts'
import { scaling } from '../../server/fixtures/served.ts'
import { bytesOf, type Fixture, openServing, pushModel, sendJson } from '../fixture.ts'

type Shape = TensorSignature['shape']

const tensor = (name: string, shape: Shape, datatype: TensorSignature['datatype'] = 'FP32'): TensorSignature => ({
  name,
  datatype,
  ...(shape && { shape }),
})

function step(
  model: string,
  inputs: Record<string, string>,
  outputs: Record<string, string>,
  signature: Partial<Description> = {},
): DescribedStep {
  const description = describing({ inputs: [tensor('x', ['N', 2])], outputs: [tensor('y', ['N', 2])], ...signature })
  return { step: { model, version: 1, inputs, outputs }, description }
}

describe('steps of an ensemble', () => {
  const first = step('a', { x: 'raw' }, { y: 'mid' })
  const second = step('b', { x: 'mid' }, { y: 'answer' })

  test('are brought into an order in which they can run; what no step makes is an input', () => {
    expect(composeEnsemble([second, first], ['answer'])).toEqual({
      steps: [first.step, second.step],
      inputs: [tensor('raw', ['N', 2])],
      outputs: [tensor('answer', ['N', 2])],
    })
  })

  test('may each give outputs, and take one tensor in several places', () => {
    const side = step('c', { x: 'raw' }, { y: 'side' })
    const { inputs, outputs } = composeEnsemble([first, second, side], ['side', 'mid', 'answer'])
    expect(inputs.map(({ name }) => name)).toEqual(['raw'])
    expect(outputs.map(({ name }) => name)).toEqual(['side', 'mid', 'answer'])
  })

  const both = { inputs: [tensor('x', ['N', 2]), tensor('z', ['N', 2])] }
  const refused: [string, DescribedStep[], string[], string][] = [
    ['no step', [], ['answer'], 'it has no step'],
    ['no output', [first], [], 'it has no output'],
    ['an output that nobody makes', [first], ['other'], 'no step makes its output "other"'],
    ['an output that is its own input', [first], ['raw'], 'no step makes its output "raw"'],
    ['an output named twice', [first], ['mid', 'mid'], 'its output "mid" is named twice'],
    [
      'an unknown input',
      [step('a', { x: 'raw', w: 'raw' }, { y: 'mid' })],
      ['mid'],
      'a@1 has no input "w"; its inputs are "x"',
    ],
    [
      'an unknown output',
      [step('a', { x: 'raw' }, { p: 'mid' })],
      ['mid'],
      'a@1 has no output "p"; its outputs are "y"',
    ],
    ['an input left open', [step('a', { x: 'raw' }, { y: 'mid' }, both)], ['mid'], 'input "z" of a@1 is left open'],
    ['a step of which nothing is taken', [first, step('c', { x: 'raw' }, {})], ['mid'], 'no output of c@1 is taken'],
    [
      'a tensor made twice',
      [first, step('c', { x: 'raw' }, { y: 'mid' })],
      ['mid'],
      '"mid" is made twice, by a@1 and by c@1',
    ],
    [
      'a cycle',
      [step('a', { x: 'answer' }, { y: 'mid' }), second, step('c', { x: 'raw' }, { y: 'side' })],
      ['answer'],
      'its steps wait for each other: a@1, b@1',
    ],
    [
      'a step that takes what it makes',
      [step('a', { x: 'mid' }, { y: 'mid' })],
      ['mid'],
      'its steps wait for each other: a@1',
    ],
    [
      'another datatype',
      [first, step('b', { x: 'mid' }, { y: 'answer' }, { inputs: [tensor('x', ['N', 2], 'FP64')] })],
      ['answer'],
      '"mid" is FP32 in a@1 and FP64 in b@1',
    ],
    [
      'another size',
      [first, step('b', { x: 'mid' }, { y: 'answer' }, { inputs: [tensor('x', ['N', 3])] })],
      ['answer'],
      '"mid" is [N,2] in a@1 and [N,3] in b@1',
    ],
    [
      'another rank',
      [first, step('b', { x: 'mid' }, { y: 'answer' }, { inputs: [tensor('x', [2])] })],
      ['answer'],
      '"mid" is [N,2] in a@1 and [2] in b@1',
    ],
    [
      'takers of one input that differ',
      [first, step('b', { x: 'raw' }, { y: 'answer' }, { inputs: [tensor('x', ['N', 3])] })],
      ['answer'],
      '"raw" is [N,2] in a@1 and [N,3] in b@1',
    ],
    [
      'a symbol that would be two sizes',
      [
        step('a', { x: 'raw' }, { y: 'mid' }, { outputs: [tensor('y', ['K', 'K'])] }),
        step('b', { x: 'mid' }, { y: 'answer' }, { inputs: [tensor('x', [2, 3])] }),
      ],
      ['answer'],
      '"mid" is [K,K] in a@1 and [2,3] in b@1',
    ],
  ]
  test.each(refused)('are refused for %s', (_, steps, outputs, why) => {
    expect(refusal(() => composeEnsemble(steps, outputs))).toEqual({
      code: 'ENSEMBLE_INVALID',
      message: `the ensemble cannot be served: ${why}`,
    })
  })

  test('that name nothing of a size fit whatever comes', () => {
    const open = step('b', { x: 'mid' }, { y: 'answer' }, { inputs: [tensor('x', [-1, -1])] })
    const free = step('c', { x: 'mid' }, { y: 'other' }, { inputs: [tensor('x', undefined)] })
    expect(composeEnsemble([first, open, free], ['answer']).steps).toHaveLength(3)
  })

  test('share sizes: a number that a later step wants is told of the input', () => {
    const fixed = step(
      'b',
      { x: 'mid' },
      { y: 'answer' },
      { inputs: [tensor('x', [4, 2])], outputs: [tensor('y', [4, 2])] },
    )
    expect(composeEnsemble([first, fixed], ['answer'])).toMatchObject({
      inputs: [tensor('raw', [4, 2])],
      outputs: [tensor('answer', [4, 2])],
    })
  })

  test('have a batch axis together where each has one, whatever it is called', () => {
    const batch = { inputs: [tensor('x', ['batch', 2])], outputs: [tensor('y', ['batch', 2])] }
    const { inputs, outputs } = composeEnsemble([first, step('b', { x: 'mid' }, { y: 'answer' }, batch)], ['answer'])
    expect([inputs[0]?.shape, outputs[0]?.shape]).toEqual([
      ['N', 2],
      ['N', 2],
    ])
  })

  test('have none where rows depend on each other inside of one', () => {
    const square = step('a', { x: 'raw' }, { y: 'mid' }, { outputs: [tensor('y', ['N', 'N'])] })
    const narrow = step(
      'b',
      { x: 'mid' },
      { y: 'answer' },
      { inputs: [tensor('x', ['M', 'M'])], outputs: [tensor('y', ['M', 1])] },
    )
    const { inputs, outputs } = composeEnsemble([square, narrow], ['answer'])
    expect([inputs[0]?.shape, outputs[0]?.shape]).toEqual([
      [-1, 2],
      [-1, 1],
    ])
  })

  const numeric = (name: string, input: string, index: number): Feature => ({ name, kind: 'numeric', input, index })
  const two = (a: string, b: string) => ({ features: [numeric(a, 'x', 0), numeric(b, 'x', 1)] })

  test('give the features of their inputs and the meaning of the first output that has one', () => {
    const meant: DescribedStep = step(
      'b',
      { x: 'mid' },
      { y: 'answer' },
      { output: { kind: 'regression', tensor: 'y' } },
    )
    const { features, output } = composeEnsemble(
      [step('a', { x: 'raw' }, { y: 'mid' }, two('a', 'b')), meant],
      ['mid', 'answer'],
    )
    expect({ features, output }).toEqual({
      features: [numeric('a', 'raw', 0), numeric('b', 'raw', 1)],
      output: { kind: 'regression', tensor: 'answer' },
    })
  })

  test('have no features where an input has none, or where two inputs have some of one name', () => {
    const one = step('a', { x: 'raw' }, { y: 'mid' }, two('a', 'b'))
    for (const other of [
      step('c', { x: 'other' }, { y: 'side' }),
      step('c', { x: 'other' }, { y: 'side' }, two('b', 'c')),
    ]) {
      expect(composeEnsemble([one, other], ['mid', 'side'])).not.toHaveProperty('features')
    }
    const apart = step('c', { x: 'other' }, { y: 'side' }, two('c', 'd'))
    expect(composeEnsemble([one, apart], ['mid', 'side']).features?.map(({ name }) => name)).toEqual([
      'a',
      'b',
      'c',
      'd',
    ])
  })

  test('keep sizes apart that only bear one name', () => {
    const apart = step('b', { x: 'other' }, { y: 'answer' })
    const { inputs } = composeEnsemble([first, apart], ['mid', 'answer'])
    expect(inputs.map(({ shape }) => shape)).toEqual([
      ['N', 2],
      ['N.2', 2],
    ])
  })
})

const green = '/api/v1/endpoints/e/deployments/green'
const steps: EnsembleStep[] = [
  { model: 'twice', version: 1, inputs: { x: 'raw' }, outputs: { y: 'mid' } },
  { model: 'a', version: 1, inputs: { x: 'mid' }, outputs: { y: 'answer' } },
]
const body = { kind: 'ensemble', steps, outputs: ['answer'] }

/** Of the step that takes the input, and of the one that makes the output. */
const meaning = {
  features: [
    { name: 'a', kind: 'numeric', input: 'raw', index: 0 },
    { name: 'b', kind: 'numeric', input: 'raw', index: 1 },
  ],
  output: { kind: 'regression', tensor: 'answer' },
}

async function openEnsemble(): Promise<Fixture> {
  const fixture = await openServing()
  const { network, description } = scaling(2)
  await pushModel(fixture, 'twice', '1', {
    'model.onnx': new Uint8Array(network),
    'selvedge.json': bytesOf(description),
  })
  return fixture
}

const put = (fixture: Fixture, given: unknown = body) => sendJson(fixture, 'PUT', green, given)

async function planOf(fixture: Fixture) {
  return await verifyPlan(await (await fixture.request('/api/v1/endpoints/e/plan')).text(), [fixture.registry.key])
}

describe('an ensemble as a deployment', () => {
  test('is told by the registry and stands in the plan with every version that it needs', async () => {
    await using fixture = await openEnsemble()
    const resources = { threads: 2, memoryMiB: 101, batchRows: 8 }
    const answer = await put(fixture, { ...body, resources })
    const { createdAt: _, ...told } = (await answer.json()) as Record<string, unknown>
    const { revision, deployments, ensembles } = await planOf(fixture)
    expect(told).toEqual({
      name: 'green',
      version: revision,
      kind: 'ensemble',
      steps,
      inputs: [tensor('raw', ['N', 2])],
      outputs: [tensor('answer', ['N', 1])],
      ...meaning,
      resources,
    })
    expect(ensembles).toEqual([
      {
        name: 'green',
        version: revision,
        inputs: [tensor('raw', ['N', 2])],
        outputs: [tensor('answer', ['N', 1])],
        ...meaning,
        steps: [
          { deployment: 'green/1', inputs: { x: 'raw' }, outputs: { y: 'mid' } },
          { deployment: 'green/2', inputs: { x: 'mid' }, outputs: { y: 'answer' } },
        ],
        resources,
      },
    ])
    const [blue, ...ofSteps] = deployments
    expect(ofSteps).toMatchObject([
      { name: 'green/1', model: 'twice', version: 1, resources: { threads: 2, memoryMiB: 51 } },
      { name: 'green/2', model: 'a', version: 1, manifest: blue?.manifest, variants: blue?.variants },
    ])
    expect(ofSteps[0]?.resources).not.toHaveProperty('batchRows')
  })

  test('keeps its version while its steps are the same, and gets another with others', async () => {
    await using fixture = await openEnsemble()
    const version = async (given: unknown) =>
      ((await (await put(fixture, given)).json()) as { version: number }).version
    const first = await version(body)
    expect(await version(body)).toBe(first)
    expect(await version({ ...body, resources: { scorers: 1 } })).toBe(first)
    const other = await version({ ...body, outputs: ['answer', 'mid'] })
    expect(other).toBeGreaterThan(first)
    expect(other).toBe((await planOf(fixture)).revision)
  })

  test('that does not fit together is refused, and nothing changes', async () => {
    await using fixture = await openEnsemble()
    const { revision } = await planOf(fixture)
    const cycle = [{ ...steps[0], inputs: { x: 'answer' } }, steps[1]]
    const answer = await put(fixture, { ...body, steps: cycle })
    expect(await answer.json()).toMatchObject({ status: 422, type: 'ENSEMBLE_INVALID' })
    expect((await planOf(fixture)).revision).toBe(revision)
  })

  test('of a version that is not there, or with unknown fields, is refused', async () => {
    await using fixture = await openEnsemble()
    const missing = await put(fixture, { ...body, steps: [{ ...steps[0], version: 9 }] })
    expect(await missing.json()).toMatchObject({ status: 404, type: 'NOT_FOUND' })
    for (const wrong of [
      { ...body, model: 'a' },
      { ...body, kind: 'chain' },
      { kind: 'ensemble', steps },
    ]) {
      expect(await (await put(fixture, wrong)).json()).toMatchObject({ status: 400, type: 'INVALID_REQUEST' })
    }
  })

  test('holds the versions of its steps against deletion until it is gone', async () => {
    await using fixture = await openEnsemble()
    await put(fixture)
    const remove = () => fixture.request('/api/v1/models/twice/versions/1', { method: 'DELETE' })
    const held = await remove()
    expect(await held.json()).toMatchObject({ status: 409, type: 'IN_USE' })
    expect((await fixture.request(green, { method: 'DELETE' })).status).toBe(204)
    expect((await remove()).status).toBe(204)
  })

  test('is seen only by a token that sees the models of all its steps', async () => {
    await using fixture = await openEnsemble()
    await put(fixture)
    let admin: string | undefined
    const tokenFor = async (role: string, ...models: string[]) => {
      const headers: Record<string, string> = admin === undefined ? {} : { authorization: `Bearer ${admin}` }
      const limited = models.length > 0 && { models }
      const answer = await sendJson(fixture, 'POST', '/api/v1/tokens', { role, ...limited }, headers)
      return ((await answer.json()) as { secret: string }).secret
    }
    admin = await tokenFor('admin')
    const [one, both] = [await tokenFor('operator', 'a'), await tokenFor('operator', 'a', 'twice')]
    const statusOf = async (token: string) => (await fixture.request('/api/v1/endpoints/e', { token })).status
    expect([await statusOf(one), await statusOf(both)]).toEqual([404, 200])
    const made = await fixture.request(green, {
      method: 'PUT',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
      token: one,
    })
    expect(made.status).toBe(404)
  })

  test('is reported under its name and version, now and after it was replaced; a step is not', async () => {
    await using fixture = await openEnsemble()
    const { version } = (await (await put(fixture)).json()) as { version: number }
    await put(fixture, { model: 'a', version: 2 })
    const report = (seq: number, deployment: string, number: number) => ({
      sender: 'AAAAAAAAAAAAAAAAAAAAAA',
      seq,
      window: new Date(Math.floor(Date.now() / 60_000) * 60_000).toISOString(),
      endpoint: 'e',
      revision: version,
      profiles: [
        {
          deployment,
          version: number,
          variant: 'ensemble',
          provider: 'cpu',
          device: 'server',
          rows: 3,
          counts: {},
          outputs: {},
          latency: new Array(latencyEdgesMs.length + 1).fill(0),
          errors: {},
        },
      ],
      exposures: [],
      outcomes: [],
    })
    const post = async (body: unknown) => (await sendJson(fixture, 'POST', '/api/v1/telemetry', body)).status
    expect(await post(report(1, 'green', version))).toBe(200)
    expect(await post(report(2, 'green', version + 1))).toBe(422)
    expect(await post(report(3, 'green/1', 1))).toBe(400)
    const held = await fixture.request('/api/v1/models/twice/versions/1', { method: 'DELETE' })
    expect(((await held.json()) as { detail: string }).detail).toContain('1 host of endpoint e')
  })
})
