/** The 13 datatypes of the Open Inference Protocol v2 that a tensor can have. */
import { z } from 'zod'

export const datatypes = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
] as const

export const datatype = z.enum(datatypes)

export type Datatype = z.infer<typeof datatype>
