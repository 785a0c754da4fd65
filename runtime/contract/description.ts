/** `selvedge.json`, the description inside a model version (design, section 9). */
import { z } from 'zod'
import { datatype } from './datatype.ts'
import { executionProvider } from './names.ts'

const tensorName = z.string().min(1).max(512)

/** A fixed size, a symbol that means the same size wherever it stands, or -1 where the model names nothing. */
export const dimension = z.union([z.int().min(-1), z.string().min(1).max(128)])

export type Dimension = z.infer<typeof dimension>

/** One named input or output. */
export const tensorSignature = z.strictObject({
  name: tensorName,
  datatype,
  /** Absent where the model does not fix even the rank. */
  shape: z.array(dimension).max(32).optional(),
})

export type TensorSignature = z.infer<typeof tensorSignature>

const featureName = z.string().min(1).max(128)

const numericFeature = z.strictObject({
  name: featureName,
  kind: z.literal('numeric'),
  input: tensorName,
  /** Column of the input's last axis. */
  index: z.int().min(0),
})

const categoricalFeature = z.strictObject({
  name: featureName,
  kind: z.literal('categorical'),
  values: z.array(z.string().max(256)).min(1).max(10_000),
  /** `onehot`: one column a value from `index` on, all zero for an unknown or missing value; `ordinal`: the value's place, -1 for unknown or missing; `string`: the text itself. */
  encoding: z.enum(['onehot', 'ordinal', 'string']),
  input: tensorName,
  index: z.int().min(0),
})

const imageFeature = z.strictObject({
  name: featureName,
  kind: z.literal('image'),
  input: tensorName,
  layout: z.enum(['NCHW', 'NHWC']),
  channels: z.union([z.literal(1), z.literal(3)]),
  /** Height and width in pixels. */
  size: z.array(z.int().min(1).max(16_384)).length(2),
  /** A pixel of 0 to 255 becomes (pixel * scale - mean) / std, mean and std by channel. */
  scale: z.number().positive(),
  mean: z.array(z.number()).min(1).max(3),
  std: z.array(z.number().positive()).min(1).max(3),
})

export const feature = z.discriminatedUnion('kind', [numericFeature, categoricalFeature, imageFeature])

export type Feature = z.infer<typeof feature>
export type ImageFeature = z.infer<typeof imageFeature>

export const outputMeaning = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('classification'),
    tensor: tensorName,
    activation: z.enum(['none', 'softmax', 'sigmoid']),
    /** In the order of the tensor's last axis; two classes may share one column, which then holds the second one's score. */
    classes: z.array(z.string().min(1).max(256)).min(2).max(100_000),
    /** Two classes only: the least score of the second one that names it. */
    threshold: z.number().optional(),
  }),
  z.strictObject({ kind: z.literal('regression'), tensor: tensorName }),
])

export type OutputMeaning = z.infer<typeof outputMeaning>

export const variant = z.strictObject({
  id: z.string().min(1).max(64),
  /** Path in the version: the annotation `org.cncf.model.filepath` of a layer. */
  file: z.string().min(1).max(1024),
  providers: z.array(executionProvider).min(1),
})

export type Variant = z.infer<typeof variant>

export const description = z.strictObject({
  inputs: z.array(tensorSignature).min(1).max(1000),
  outputs: z.array(tensorSignature).min(1).max(1000),
  features: z.array(feature).min(1).max(10_000).optional(),
  output: outputMeaning.optional(),
  variants: z.array(variant).min(1).max(32),
  /** Path of the golden samples in the version. */
  golden: z.string().min(1).max(1024).optional(),
  /** Path of the ProfileSpec in the version. */
  profile: z.string().min(1).max(1024).optional(),
  environment: z.string().min(1).max(256).optional(),
  provenance: z
    .strictObject({
      run: z.string().max(1024).optional(),
      git: z.string().max(1024).optional(),
      datasets: z.array(z.string().max(256)).max(1000).optional(),
      command: z.string().max(4096).optional(),
      metrics: z.record(z.string().max(128), z.number()).optional(),
    })
    .optional(),
})

/** The signature of a model version and what stands behind it. */
export type Description = z.infer<typeof description>
