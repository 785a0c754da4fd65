/**
 * The JSON objects of the Open Inference Protocol v2 (inference_rest.md) with the parameters of the binary tensor data
 * extension. Fields that the protocol leaves open are let through, as it wants; `data` is checked by `json.ts`.
 */
import { z } from 'zod'
import { datatype } from '../contract/datatype.ts'
import { SelvedgeError } from '../errors.ts'

const tensorName = z.string().min(1).max(512)

// Answered as if it were not there, its sender would read what lay in its memory before.
const sharedMemory = z.never('shared memory is not offered').optional()

const tensorParameters = z.object({
  binary_data_size: z.int().min(0).optional(),
  shared_memory_region: sharedMemory,
})

const tensorMessage = z.object({
  name: tensorName,
  datatype,
  /** Checked as a shape when the tensor is made. */
  shape: z.array(z.number()),
  parameters: tensorParameters.optional(),
  data: z.unknown().optional(),
})

export type TensorMessage = z.infer<typeof tensorMessage>

const outputParameters = z.object({
  binary_data: z.boolean().optional(),
  /** Of its values the K largest, by name. */
  classification: z.int().min(0).max(10_000).optional(),
  shared_memory_region: sharedMemory,
})

export const inferRequest = z.object({
  id: z.string().max(1024).optional(),
  parameters: z
    .object({
      binary_data_output: z.boolean().optional(),
      /** 1 goes first; a request without one counts as 5. */
      priority: z.int().min(0).max(1000).optional(),
      /** Of the wait for its run, in microseconds. */
      timeout: z.int().min(0).max(3_600_000_000).optional(),
      /** Sequences need a state between requests, which no version has. */
      sequence_id: z.union([z.literal(0), z.literal('')], 'sequences are not offered').optional(),
    })
    .optional(),
  inputs: z.array(tensorMessage).min(1).max(1000),
  outputs: z
    .array(z.object({ name: tensorName, parameters: outputParameters.optional() }))
    .max(1000)
    .optional(),
})

export const inferResponse = z.object({
  model_name: z.string(),
  model_version: z.string().optional(),
  id: z.string().optional(),
  outputs: z.array(tensorMessage),
})

/** @throws SelvedgeError `INVALID_REQUEST` that names the first field which does not fit */
export function parseMessage<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const field = issue?.path.join('.') || 'the body'
  throw new SelvedgeError('INVALID_REQUEST', `${field}: ${issue?.message}`, { field })
}
