import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Description, description } from '../../../runtime/contract/description.ts'
import { golden } from '../../../runtime/contract/golden.ts'
import { type ProfileSpec, profileSpec } from '../../../runtime/contract/profile-spec.ts'
import { readModel } from '../../../runtime/onnx/reader.ts'
import { openNodeSession } from '../../../runtime/providers/node.ts'
import { checkGolden } from '../../../runtime/scoring/golden.ts'
import { openQueue } from '../../../runtime/scoring/queue.ts'
import type { Session } from '../../../runtime/scoring/session.ts'
import { encodeRecords } from '../../../runtime/tensor/features.ts'
import { decodePredictions } from '../../../runtime/tensor/predictions.ts'
import { readSamples } from '../../../server/demo/sample.ts'
import { type Made, makeSamples } from '../../../server/demo/samples.ts'

const folders = ['digits-1', 'digits-2', 'digits-3', 'penguins-1']
let home: string
let made: Made[]

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'selvedge-samples-'))
  made = await makeSamples(join(home, 'first'))
}, 120_000)

afterAll(async () => {
  await rm(home, { recursive: true, force: true })
})

describe('the samples of the demo', () => {
  test('are listed in the order in which they are pushed', async () => {
    const list = await readSamples(join(home, 'first'))
    expect(list.samples.map(({ model, version, folder, endpoint }) => [model, version, folder, endpoint])).toEqual([
      ['digits', 1, 'digits-1', 'digits'],
      ['digits', 2, 'digits-2', 'digits'],
      // Left for the reader to push.
      ['digits', 3, 'digits-3', undefined],
      ['penguins', 1, 'penguins-1', 'penguins'],
    ])
  })

  test('know more than a guess: accuracy on rows held back', () => {
    const [linear, hidden, shifted, penguins] = made.map(({ accuracy }) => accuracy)
    expect(made.map(({ folder, rows }) => [folder, rows])).toEqual([
      ['digits-1', 2000],
      ['digits-2', 2000],
      ['digits-3', 2000],
      ['penguins-1', 86],
    ])
    expect(linear).toBeGreaterThanOrEqual(0.89)
    expect(hidden).toBeGreaterThanOrEqual(0.94)
    // It judges itself by the list of classes that is wrong.
    expect(shifted).toBe(hidden)
    expect(penguins).toBeGreaterThanOrEqual(0.94)
  })

  test('are the same bytes when they are made again elsewhere, and are not made again in place', async () => {
    await makeSamples(join(home, 'second'))
    expect(await readAll(join(home, 'second'))).toEqual(await readAll(join(home, 'first')))
    expect(await makeSamples(join(home, 'second'))).toEqual([])
  }, 120_000)

  test.each(folders)('%s has valid documents and a free batch axis', async (folder) => {
    const { bytes, documents } = await readSample(folder)
    const model = readModel(bytes)
    expect([...model.inputs, ...model.outputs].map(({ type }) => type.shape?.[0])).toEqual(['N', 'N'])
    expect(description.parse(documents['selvedge.json'])).toMatchObject({
      golden: 'golden.json',
      profile: 'profile.json',
    })
    const { features, outputs } = profileSpec.parse(documents['profile.json'])
    const rows = folder === 'penguins-1' ? 258 : 8000
    for (const { counts } of [...features, ...outputs]) {
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(rows)
    }
  })

  test.each(folders.flatMap((folder) => (['wasm', 'cpu'] as const).map((provider) => [folder, provider] as const)))(
    '%s gives its golden outputs on %s',
    async (folder, provider) => {
      const { bytes, documents } = await readSample(folder)
      const samples = golden.parse(documents['golden.json'])
      expect(samples.samples[0]?.inputs[0]?.shape[0]).toBe(8)
      const session = await openNodeSession({ network: bytes, externalData: [] }, provider)
      try {
        await checkGolden(session, samples, openQueue())
      } finally {
        await session.close()
      }
    },
  )
})

describe('the penguins model', () => {
  let session: Session
  let penguins: Description
  let profile: ProfileSpec

  beforeAll(async () => {
    const { bytes, documents } = await readSample('penguins-1')
    penguins = description.parse(documents['selvedge.json'])
    profile = profileSpec.parse(documents['profile.json'])
    session = await openNodeSession({ network: bytes, externalData: [] }, 'wasm')
  })

  afterAll(() => session.close())

  // The first Adelie and the first Gentoo of the data set.
  const adelie = {
    beak_length_mm: 39.1,
    beak_depth_mm: 18.7,
    flipper_length_mm: 181,
    body_mass_g: 3750,
    island: 'Torgersen',
    sex: 'male',
  }
  const gentoo = {
    beak_length_mm: 46.1,
    beak_depth_mm: 13.2,
    flipper_length_mm: 211,
    body_mass_g: 4500,
    island: 'Biscoe',
    sex: 'female',
  }

  test('names the species of a record', async () => {
    expect(await classesOf([adelie, gentoo])).toEqual(['Adelie', 'Gentoo'])
  })

  test('gives scores that sum to 1 whatever is missing', async () => {
    const gaps = Object.keys(adelie).map((name) => ({ ...gentoo, [name]: null }))
    const predictions = decodePredictions(penguins, await session.run(encodeRecords(penguins, [...gaps, {}])))
    for (const prediction of predictions) {
      const scores = 'scores' in prediction ? Object.values(prediction.scores) : []
      expect(scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 5)
    }
    expect(predictions.slice(0, -1).map((one) => 'class' in one && one.class)).toEqual(gaps.map(() => 'Gentoo'))
  })

  test('has a baseline that counts what was missing in training', () => {
    const sex = profile.features.find(({ name }) => name === 'sex')
    const [, , other, missing, wrong] = sex?.counts ?? []
    expect(missing).toBeGreaterThan(0)
    expect([other, wrong]).toEqual([0, 0])
  })

  async function classesOf(records: Record<string, unknown>[]): Promise<unknown[]> {
    const predictions = decodePredictions(penguins, await session.run(encodeRecords(penguins, records)))
    return predictions.map((one) => 'class' in one && one.class)
  }
})

async function readSample(folder: string): Promise<{ bytes: Uint8Array; documents: Record<string, unknown> }> {
  const files = await readAll(join(home, 'first', folder))
  const documents = Object.entries(files).filter(([name]) => name.endsWith('.json'))
  return {
    bytes: files['model.onnx'] ?? new Uint8Array(),
    documents: Object.fromEntries(documents.map(([name, bytes]) => [name, JSON.parse(bytes.toString())])),
  }
}

async function readAll(folder: string): Promise<Record<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(
    await Promise.all(files.sort().map(async (file) => [file.slice(folder.length + 1), await readFile(file)])),
  )
}
