/** Sample: a model version that `selvedge up --demo` registers, and the list of them beside the folders. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { tags } from '../../runtime/contract/control.ts'
import { digest, name } from '../../runtime/contract/names.ts'

const sample = z.strictObject({
  model: name,
  version: z.int().min(1),
  /** Beside the list: model.onnx, selvedge.json, golden.json, profile.json. */
  folder: z.string().regex(/^[a-z0-9-]+$/),
  /** Where `selvedge up --demo` serves it; one without is made and left for the reader to push. */
  endpoint: name.optional(),
  /** Beside the list: rows that the demo page scores again and again. */
  rows: z
    .string()
    .regex(/^[a-z0-9.-]+$/)
    .optional(),
  tags,
  why: z.string(),
})

export type Sample = z.infer<typeof sample>

const sampleList = z.strictObject({
  /** Of the sources and data that the samples were made from. */
  inputs: digest,
  /** In the order in which they are to be pushed. */
  samples: z.array(sample),
})

export type SampleList = z.infer<typeof sampleList>

export const listFile = 'index.json'

export const sampleFiles = ['model.onnx', 'selvedge.json', 'golden.json', 'profile.json'] as const

/**
 * The samples that `make.ts` wrote into a folder.
 *
 * @throws what reading or parsing throws where the folder holds no whole list of them
 */
export async function readSamples(folder: string): Promise<SampleList> {
  return sampleList.parse(JSON.parse(await readFile(join(folder, listFile), 'utf8')))
}
