/** Golden samples: inputs with the outputs that the version gave where it was made. */
import { z } from 'zod'
import { datatype } from './datatype.ts'

const tensor = z.strictObject({
  name: z.string().min(1).max(512),
  datatype,
  shape: z.array(z.int().min(0)).max(32),
  /** Row-major, as in Open Inference Protocol JSON; 64-bit integers as decimal strings. */
  data: z.array(z.union([z.number(), z.string(), z.boolean()])),
})

export const golden = z.strictObject({
  samples: z
    .array(z.strictObject({ inputs: z.array(tensor).min(1), outputs: z.array(tensor).min(1) }))
    .min(1)
    .max(1000),
  /** Largest absolute difference that counts as equal. */
  tolerance: z.number().positive(),
})

export type Golden = z.infer<typeof golden>
