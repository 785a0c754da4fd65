/** A Description from the model file itself, for a version that was pushed without `selvedge.json`. */
import { type Description, description, type TensorSignature } from '../contract/description.ts'
import { SelvedgeError } from '../errors.ts'
import { type OnnxModel, type ReadOptions, readModel } from './reader.ts'
import type { OnnxValue } from './value.ts'
import type { OnnxTensor } from './weights.ts'

/**
 * Inputs, outputs and one variant for every execution provider; features and classes stand in no ONNX file.
 *
 * @param file - path of the model in its version
 * @throws {@link SelvedgeError} as {@link readModel} does, and `NOT_SCORABLE` for inputs and outputs that are not
 * tensors of a datatype that the Open Inference Protocol has
 */
export function describeModel(bytes: Uint8Array, file: string, options: ReadOptions = {}): Description {
  return describe(readModel(bytes, options), file)
}

/** As {@link describeModel} for a model that was read. */
export function describe(model: OnnxModel, file: string): Description {
  if (model.inputs.length === 0 || model.outputs.length === 0) {
    throw new SelvedgeError(
      'NOT_SCORABLE',
      `the model has ${model.inputs.length} inputs and ${model.outputs.length} outputs, want at least one of each`,
    )
  }
  const parsed = description.safeParse({
    inputs: model.inputs.map((value) => readSignature('input', value)),
    outputs: model.outputs.map((value) => readSignature('output', value)),
    variants: [{ id: variantId(model.initializers), file, providers: ['webgpu', 'wasm', 'cpu', 'cuda'] }],
  })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new SelvedgeError('MODEL_LIMIT', `${issue?.path.join('.')}: ${issue?.message}`)
}

function readSignature(side: 'input' | 'output', { name, type }: OnnxValue): TensorSignature {
  const datatype = type.kind === 'tensor' ? type.datatype?.datatype : undefined
  if (datatype === undefined) {
    const remedy =
      type.kind === 'sequence' || type.kind === 'map'
        ? 'export it as a tensor (scikit-learn: zipmap=False)'
        : 'cast it to one of the 13 datatypes of the Open Inference Protocol inside the model'
    throw new SelvedgeError('NOT_SCORABLE', `${side} "${name}" is ${type.text}: ${remedy}`, { [side]: name })
  }
  return type.shape ? { name, datatype, shape: type.shape } : { name, datatype }
}

/** The datatype that holds most of the weights names the variant. */
function variantId(initializers: readonly OnnxTensor[]): string {
  const bytes = new Map<string, number>([['fp32', 0]])
  for (const { datatype, declaredBytes } of initializers) {
    const id = variantIds[datatype.name]
    if (id) bytes.set(id, (bytes.get(id) ?? 0) + declaredBytes)
  }
  return [...bytes].reduce((most, one) => (one[1] > most[1] ? one : most))[0]
}

// Indices and shapes are int64 and int32: they say nothing about the weights.
const variantIds: Readonly<Record<string, string>> = {
  float: 'fp32',
  double: 'fp64',
  float16: 'fp16',
  bfloat16: 'bf16',
  int8: 'int8',
  uint8: 'int8',
  int4: 'int4',
  uint4: 'int4',
}
