import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encode } from '../../../../runtime/onnx/encoder.ts'
import { grammar } from '../../../../runtime/onnx/grammar.ts'
import { encodeModel } from '../../../../runtime/onnx/writer.ts'
import { createTensor } from '../../../../runtime/tensor/tensor.ts'
import { encodeManifest, type Layer } from '../../../../server/cli/version/manifest.ts'
import { type PrepareOptions, prepareVersion } from '../../../../server/cli/version/prepare.ts'

const x = { name: 'x', datatype: 'FP32' as const, shape: ['N', 2] }
const p = { name: 'p', datatype: 'FP32' as const, shape: ['N', 2] }
const network = (operator = 'Softmax') =>
  encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'linear',
      inputs: [x],
      outputs: [p],
      initializers: { w: createTensor('FP32', [2, 2], Float32Array.of(1, 0, 0, 1)) },
      nodes: [
        { operator: 'MatMul', inputs: ['x', 'w'], outputs: ['z'] },
        { operator, inputs: ['z'], outputs: ['p'] },
      ],
    },
  })

const train = 'id,mass,flipper,species\n1,1,1,b\n2,2,1,a\n3,1,3,b\n4,,2,a\n'

describe('preparing a version', () => {
  let folder: string
  const at = (name: string) => join(folder, name)

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'selvedge-push-'))
    await writeFile(at('model.onnx'), network())
    await writeFile(at('train.csv'), train)
  })
  afterEach(() => rm(folder, { recursive: true }))

  const prepare = (path: string, options: PrepareOptions = {}) => prepareVersion([path], options, () => undefined)
  const refusal = (path: string, options?: PrepareOptions) =>
    prepare(path, options).then(
      () => 'was prepared',
      (error) => `${error.code}: ${error.message}`,
    )
  const read = (layers: readonly Layer[], path: string) => {
    const content = layers.find((layer) => layer.path === path)?.blob.content
    return content instanceof Uint8Array ? JSON.parse(Buffer.from(content).toString()) : undefined
  }

  test('of a bare model reads its signature and says no more', async () => {
    const { layers, description, hasProfile, hasGolden, remarks } = await prepare(at('model.onnx'))
    expect(layers.map(({ path, kind }) => [path, kind])).toEqual([
      ['model.onnx', 'weight'],
      ['selvedge.json', 'weightConfig'],
    ])
    expect(description).toEqual({
      inputs: [x],
      outputs: [p],
      variants: [{ id: 'fp32', file: 'model.onnx', providers: ['webgpu', 'wasm', 'cpu', 'cuda'] }],
    })
    expect({ hasProfile, hasGolden, remarks }).toEqual({ hasProfile: false, hasGolden: false, remarks: [] })
  })

  test('has positives of the score where the file holds what became true, and says where it does not', async () => {
    const options = { baseline: at('train.csv'), outcome: 'species', features: ['mass', 'flipper'] }
    const told = async () => {
      const { layers, remarks } = await prepare(at('model.onnx'), options)
      const score = read(layers, 'profile.json').outputs.find(({ name }: { name: string }) => name === 'score')
      return { counts: score.counts, positives: score.positives, remarks }
    }
    // Three rows have a score, the fourth is NaN; of the three one is of class b, the second.
    const whole = await told()
    expect(whole.remarks).toEqual([])
    expect(whole.positives.reduce((sum: number, count: number) => sum + count, 0)).toBe(2)
    await writeFile(at('train.csv'), train.replace('2,2,1,a', '2,2,1,'))
    const partial = await told()
    expect(partial.positives).toBeUndefined()
    expect(partial.remarks).toEqual([
      '1 of 4 rows have no class in "species": performance without outcomes is not estimated',
    ])
  })

  test('is the same from CSV, JSON lines and Parquet', async () => {
    const rows = [
      { mass: 1, flipper: 1, species: 'b' },
      { mass: 2, flipper: 1, species: 'a' },
      { mass: 1, flipper: 3, species: 'b' },
      { mass: null, flipper: 2, species: 'a' },
    ]
    await writeFile(at('train.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'))
    const columnData = (['mass', 'flipper', 'species'] as const).map((name) => ({
      name,
      data: rows.map((row) => row[name]),
      type: name === 'species' ? ('STRING' as const) : ('DOUBLE' as const),
    }))
    await writeFile(at('train.parquet'), Buffer.from(parquetWriteBuffer({ columnData })))
    const profiles = await Promise.all(
      ['train.csv', 'train.jsonl', 'train.parquet'].map(async (name) => {
        const options = { baseline: at(name), outcome: 'species', features: ['mass', 'flipper'] }
        const { layers } = await prepare(at('model.onnx'), options)
        return read(layers, 'profile.json')
      }),
    )
    expect(profiles[1]).toEqual(profiles[0])
    expect(profiles[2]).toEqual(profiles[0])
    expect(profiles[0].features[0].counts.at(-4)).toBe(1)
  })

  test('with a baseline makes features, classes, golden samples and a ProfileSpec', async () => {
    const options = { baseline: at('train.csv'), outcome: 'species', features: ['mass', 'flipper'] }
    const { layers, description } = await prepare(at('model.onnx'), options)
    expect(description).toMatchObject({
      features: [
        { name: 'mass', kind: 'numeric', input: 'x', index: 0 },
        { name: 'flipper', kind: 'numeric', input: 'x', index: 1 },
      ],
      output: { kind: 'classification', tensor: 'p', activation: 'none', classes: ['a', 'b'] },
      golden: 'golden.json',
      profile: 'profile.json',
    })
    // The fourth row has no mass: it counts as missing in the profile, and its NaN is no sample.
    const golden = read(layers, 'golden.json')
    expect(golden.samples).toHaveLength(3)
    expect(golden.samples[0]).toEqual({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 1] }],
      outputs: [{ name: 'p', datatype: 'FP32', shape: [1, 2], data: [0.5, 0.5] }],
    })
    const { features, outputs } = read(layers, 'profile.json')
    expect(features.map((feature: { name: string }) => feature.name)).toEqual(['mass', 'flipper'])
    expect(outputs.map((output: { name: string }) => output.name)).toEqual(['class', 'score'])
    const rows = features.map(({ counts }: { counts: number[] }) => counts.reduce((sum, count) => sum + count))
    expect(rows).toEqual([4, 4])
  })

  test('twice gives the same bytes', async () => {
    const options = { baseline: at('train.csv'), outcome: 'species', features: ['mass', 'flipper'] }
    const [one, two] = [await prepare(at('model.onnx'), options), await prepare(at('model.onnx'), options)]
    const digest = ({ layers }: { layers: Layer[] }) => encodeManifest('m', layers, { tags: {} }).digest
    expect(digest(one)).toBe(digest(two))
  })

  test('of a folder takes what stands beside the model, and names what is left out', async () => {
    const output = { kind: 'classification', tensor: 'p', activation: 'none', classes: ['a', 'b'] }
    await writeFile(at('selvedge.json'), JSON.stringify({ output }))
    await writeFile(at('README.md'), '# Linear')
    const { layers, description, remarks } = await prepare(folder)
    expect(description).toMatchObject({ inputs: [x], output })
    expect(layers.map(({ path, kind }) => [path, kind])).toEqual([
      ['model.onnx', 'weight'],
      ['selvedge.json', 'weightConfig'],
      ['README.md', 'doc'],
    ])
    expect(remarks).toEqual(['not part of the version: train.csv'])
  })

  test('of a folder sends external data that the model names as a file of its own', async () => {
    const external = Object.entries({ location: 'w.bin' }).map(([key, value]) => ({ key, value }))
    const weights = { name: 'w', dims: [2, 2], dataType: 1, location: 1, external }
    await writeFile(at('model.onnx'), encodeExternal(weights))
    expect(await refusal(at('model.onnx'))).toMatch(/^EXTERNAL_DATA: /)
    await writeFile(at('w.bin'), new Uint8Array(Float32Array.of(1, 0, 0, 1).buffer))
    const { layers } = await prepare(folder)
    expect(layers.slice(0, 2).map(({ path, kind }) => [path, kind])).toEqual([
      ['model.onnx', 'weight'],
      ['w.bin', 'weight'],
    ])
  })

  test('takes external data from beside a network in a folder below, under the name that the network gives it', async () => {
    const external = [{ key: 'location', value: 'w.bin' }]
    await mkdir(at('repo/onnx'), { recursive: true })
    await writeFile(
      at('repo/onnx/model.onnx'),
      encodeExternal({ name: 'w', dims: [2, 2], dataType: 1, location: 1, external }),
    )
    await writeFile(at('repo/onnx/w.bin'), new Uint8Array(Float32Array.of(1, 0, 0, 1).buffer))
    await writeFile(at('repo/config.json'), '{}')
    await writeFile(at('repo/.env'), 'SECRET=1')
    const { layers, remarks } = await prepare(at('repo'))
    expect(layers.map(({ path }) => path)).toEqual(['onnx/model.onnx', 'w.bin', 'selvedge.json'])
    expect(remarks).toEqual(['not part of the version: config.json'])
  })

  test('of files named one by one takes all of them', async () => {
    await writeFile(at('labels.txt'), 'a b')
    await writeFile(at('NOTICE'), 'Notice')
    const paths = ['NOTICE', 'labels.txt', 'model.onnx'].map(at)
    const { layers, remarks } = await prepareVersion(paths, {}, () => undefined)
    expect(layers.map(({ path, kind }) => [path, kind])).toEqual([
      ['model.onnx', 'weight'],
      ['selvedge.json', 'weightConfig'],
      ['labels.txt', 'weightConfig'],
      ['NOTICE', 'doc'],
    ])
    expect(remarks).toEqual([])
  })

  test('refuses two files of one name, and files without a model', async () => {
    await mkdir(at('other'))
    await writeFile(at('other/model.onnx'), network())
    const refused = (...paths: string[]) =>
      prepareVersion(paths, {}, () => undefined).then(
        () => 'was prepared',
        (error) => `${error.code}: ${error.message}`,
      )
    expect(await refused(at('model.onnx'), at('other/model.onnx'))).toBe(
      'USAGE: two files would be "model.onnx" in the version',
    )
    expect(await refused(at('train.csv'), at('train.csv'))).toMatch(/^USAGE: /)
    expect(await refused(at('train.csv'))).toBe('MODEL_INVALID: no .onnx file in "train.csv"')
  })

  test('refuses golden samples that the model does not give', async () => {
    const sample = (data: number[]) => ({
      samples: [
        {
          inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 1] }],
          outputs: [{ name: 'p', datatype: 'FP32', shape: [1, 2], data }],
        },
      ],
      tolerance: 1e-5,
    })
    await writeFile(at('golden.json'), JSON.stringify(sample([0.5, 0.5])))
    expect((await prepare(folder)).hasGolden).toBe(true)
    await writeFile(at('golden.json'), JSON.stringify(sample([0.6, 0.4])))
    expect(await refusal(folder)).toMatch(/^GOLDEN_MISMATCH: /)
  })

  test.each([
    ['RT-11: an operator that ONNX Runtime does not have', () => network('Frobnicate'), /^OPERATOR_UNKNOWN: /],
    ['text', () => 'no model', /^MODEL_INVALID: /],
    ['RT-12: a file of ONNX Runtime itself', () => Buffer.from('\x10\0\0\0ORTM'), /^MODEL_INVALID: /],
    ['nothing', () => '', /^MODEL_INVALID: /],
  ])('refuses %s', async (_, content, why) => {
    await writeFile(at('model.onnx'), content())
    expect(await refusal(at('model.onnx'))).toMatch(why)
  })

  test.each([
    ['two models and no description', 'other.onnx', network(), 'DESCRIPTION_INVALID: the folder has model.onnx, other'],
    [
      'a description with an unknown field',
      'selvedge.json',
      '{"classes":[]}',
      'DESCRIPTION_INVALID: selvedge.json, as',
    ],
    ['a description that is no JSON', 'selvedge.json', '{', 'DESCRIPTION_INVALID: selvedge.json is no JSON'],
    [
      'a description of another model',
      'selvedge.json',
      '{"inputs":[{"name":"x","datatype":"INT64","shape":["N",2]}]}',
      'DESCRIPTION_INVALID: input "x": described as INT64, the model has FP32',
    ],
    [
      'a feature past the width of its input',
      'selvedge.json',
      JSON.stringify({
        features: ['a', 'b', 'c'].map((name, index) => ({ name, kind: 'numeric', input: 'x', index })),
      }),
      'DESCRIPTION_INVALID: ',
    ],
    [
      'golden samples that are not there',
      'selvedge.json',
      '{"golden":"g.json"}',
      'DESCRIPTION_INVALID: golden: no file',
    ],
  ])('refuses %s', async (_, file, content, why) => {
    await writeFile(at(file), content)
    expect(await refusal(folder)).toContain(why)
  })

  test('refuses a baseline without rows, and an outcome that is no column', async () => {
    const features = ['mass', 'flipper']
    expect(await refusal(at('model.onnx'), { baseline: at('train.csv'), features, outcome: 'y' })).toContain(
      'BASELINE_INVALID: no column "y" for --outcome',
    )
    await writeFile(at('train.csv'), 'mass,flipper\n')
    expect(await refusal(at('model.onnx'), { baseline: at('train.csv'), features })).toContain(
      'BASELINE_INVALID: the baseline has no rows',
    )
  })

  test('refuses a folder without a model', async () => {
    await mkdir(at('empty'))
    expect(await refusal(at('empty'))).toBe('MODEL_INVALID: no .onnx file in "empty"')
  })
})

function encodeExternal(weights: Record<string, unknown>): Uint8Array {
  const value = (name: string) => ({
    name,
    type: { tensor: { datatype: 1, shape: { dimensions: [{ symbol: 'N' }, { size: 2 }] } } },
  })
  return encode(grammar, 'model', {
    irVersion: 8,
    opsets: [{ domain: '', version: 17 }],
    graph: {
      name: 'linear',
      nodes: [{ operator: 'MatMul', inputs: ['x', 'w'], outputs: ['p'] }],
      initializers: [weights],
      inputs: [value('x')],
      outputs: [value('p')],
    },
  })
}
