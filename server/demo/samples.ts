/** The folder of samples: made once, and again when what they are made from has changed. */
import { createHash } from 'node:crypto'
import { existsSync, globSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Digest } from '../../runtime/contract/names.ts'
import { trainDigits } from './digits.ts'
import { evaluate } from './evaluate.ts'
import { trainPenguins } from './penguins.ts'
import { listFile, readSamples, type SampleList, sampleFiles } from './sample.ts'
import type { Trained } from './trained.ts'

export interface Made {
  folder: string
  /** Share of the rows held back whose class was right. */
  accuracy: number
  rows: number
  /** Of the network. */
  bytes: number
}

/** Gives what was made: nothing where the folder was up to date. */
export async function makeSamples(folder: string): Promise<Made[]> {
  const inputs = await digestInputs()
  if (await isUpToDate(folder, inputs)) return []
  // The list goes last and comes first: without it, what lies there is not taken for whole.
  await rm(join(folder, listFile), { force: true })
  const all = [...trainDigits(), trainPenguins()]
  const made: Made[] = []
  for (const trained of all) made.push(await writeSample(folder, trained))
  await writeWhole(
    join(folder, listFile),
    json({ inputs, samples: all.map(({ sample }) => sample) } satisfies SampleList),
  )
  return made
}

async function writeSample(folder: string, trained: Trained): Promise<Made> {
  const { sample, network } = trained
  const { description, golden, profile } = await evaluate(trained)
  const place = join(folder, sample.folder)
  await mkdir(place, { recursive: true })
  await writeWhole(join(place, 'model.onnx'), network)
  await writeWhole(join(place, 'selvedge.json'), json(description))
  await writeWhole(join(place, 'golden.json'), json(golden))
  await writeWhole(join(place, 'profile.json'), json(profile))
  // Those of the baseline, so that a page that scores them drifts only where it shifts them.
  if (sample.rows !== undefined) await writeWhole(join(folder, sample.rows), json(trained.training.records))
  const { accuracy = 0, rows = 0 } = description.provenance?.metrics ?? {}
  return { folder: sample.folder, accuracy, rows, bytes: network.length }
}

async function isUpToDate(folder: string, inputs: Digest): Promise<boolean> {
  // A list that is missing, torn or of another form is no list: everything can be made again.
  const list = await readSamples(folder).catch(() => undefined)
  return (
    list?.inputs === inputs &&
    list.samples.every(
      ({ folder: name, rows }) =>
        sampleFiles.every((file) => existsSync(join(folder, name, file))) &&
        (rows === undefined || existsSync(join(folder, rows))),
    )
  )
}

// The lock file holds the versions of the data and of ONNX Runtime.
const sources = ['server/demo/**/*.ts', 'runtime/**/*.ts', 'package-lock.json']

async function digestInputs(): Promise<Digest> {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const hash = createHash('sha256')
  for (const file of globSync(sources, { cwd: root }).sort()) {
    hash.update(`${file}\0`).update(await readFile(join(root, file)))
  }
  return `sha256:${hash.digest('hex')}`
}

async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${file}.part`, content)
  await rename(`${file}.part`, file)
}

function json(document: object): string {
  return `${JSON.stringify(document)}\n`
}
