/** 344 penguins of the Palmer archipelago, from the npm package `vega-datasets` (BSD-3), which has it from the Palmer Station LTER (CC0). */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { z } from 'zod'

export const penguinsDataset = 'vega-datasets@3.2.1/penguins'

export const species = ['Adelie', 'Chinstrap', 'Gentoo']
export const islands = ['Biscoe', 'Dream', 'Torgersen']
export const sexes = ['female', 'male']

export type Penguin = {
  beak_length_mm: number | null
  beak_depth_mm: number | null
  flipper_length_mm: number | null
  body_mass_g: number | null
  island: string
  sex: string | null
}

export interface Penguins {
  records: Penguin[]
  /** Place in {@link species}. */
  labels: number[]
}

const rows = z.array(
  z.object({
    Species: z.enum(['Adelie', 'Chinstrap', 'Gentoo']),
    Island: z.enum(['Biscoe', 'Dream', 'Torgersen']),
    'Beak Length (mm)': z.number().nullable(),
    'Beak Depth (mm)': z.number().nullable(),
    'Flipper Length (mm)': z.number().nullable(),
    'Body Mass (g)': z.number().nullable(),
    Sex: z.string().nullable(),
  }),
)

/** The rows of each species follow one another: shuffle before use. */
export function readPenguins(): Penguins {
  const require = createRequire(import.meta.url)
  const file = join(dirname(require.resolve('vega-datasets')), '..', 'data', 'penguins.json')
  const read = rows.parse(JSON.parse(readFileSync(file, 'utf8')))
  return {
    labels: read.map((row) => species.indexOf(row.Species)),
    records: read.map((row) => {
      const sex = row.Sex?.toLowerCase()
      return {
        beak_length_mm: row['Beak Length (mm)'],
        beak_depth_mm: row['Beak Depth (mm)'],
        flipper_length_mm: row['Flipper Length (mm)'],
        body_mass_g: row['Body Mass (g)'],
        island: row.Island,
        // One row says ".".
        sex: sex !== undefined && sexes.includes(sex) ? sex : null,
      }
    }),
  }
}
