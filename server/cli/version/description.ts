/** The description that a version is pushed with: what its author wrote, completed by what the model says of itself. */
import type { z } from 'zod'
import {
  type Description,
  type Dimension,
  description as descriptionSchema,
  type TensorSignature,
} from '../../../runtime/contract/description.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { inputLayouts } from '../../../runtime/tensor/layout.ts'

/** A selvedge.json may leave out what the model itself says. */
export const writtenDescription = descriptionSchema.partial()

export type WrittenDescription = z.infer<typeof writtenDescription>

/**
 * @param read - from the network of the first variant
 * @throws {@link SelvedgeError} `DESCRIPTION_INVALID` where the two disagree
 */
export function mergeDescription(written: WrittenDescription, read: Description): Description {
  if (written.inputs !== undefined) compareSignatures('input', written.inputs, read.inputs)
  if (written.outputs !== undefined) compareSignatures('output', written.outputs, read.outputs)
  // In the schema's order of keys, so that the same description has the same bytes.
  const merged = descriptionSchema.parse({ ...read, ...written })
  inputLayouts(merged)
  if (merged.output !== undefined) checkOutput(merged.output, merged)
  return merged
}

function compareSignatures(
  what: 'input' | 'output',
  written: readonly TensorSignature[],
  read: readonly TensorSignature[],
): void {
  for (const { name, datatype, shape } of written) {
    const model = read.find((candidate) => candidate.name === name)
    const where = `${what} "${name}"`
    if (model === undefined) {
      throw new SelvedgeError(
        'DESCRIPTION_INVALID',
        `${where}: the model has ${read.map((each) => each.name).join(', ')}`,
      )
    }
    if (model.datatype !== datatype) {
      throw new SelvedgeError(
        'DESCRIPTION_INVALID',
        `${where}: described as ${datatype}, the model has ${model.datatype}`,
      )
    }
    if (shape !== undefined && model.shape !== undefined && !agree(shape, model.shape)) {
      throw new SelvedgeError(
        'DESCRIPTION_INVALID',
        `${where}: described as [${shape}], the model has [${model.shape}]`,
      )
    }
  }
  const missing = read.find(({ name }) => !written.some((candidate) => candidate.name === name))
  if (missing !== undefined && what === 'input') {
    throw new SelvedgeError('DESCRIPTION_INVALID', `input "${missing.name}" of the model is not described`)
  }
}

// Symbols and unnamed sizes can be renamed at will: only numbers can contradict each other.
function agree(a: readonly Dimension[], b: readonly Dimension[]): boolean {
  return (
    a.length === b.length &&
    a.every((size, axis) => {
      const other = b[axis]
      return typeof size !== 'number' || typeof other !== 'number' || size < 0 || other < 0 || size === other
    })
  )
}

function checkOutput(output: NonNullable<Description['output']>, { outputs }: Description): void {
  const tensor = outputs.find(({ name }) => name === output.tensor)
  if (tensor === undefined) {
    throw new SelvedgeError('DESCRIPTION_INVALID', `output: no output tensor "${output.tensor}"`)
  }
  if (output.kind === 'regression') return
  const width = tensor.shape?.at(-1)
  const { length } = output.classes
  const fits = typeof width !== 'number' || width < 0 || width === length || (length === 2 && width === 1)
  if (!fits) {
    throw new SelvedgeError('DESCRIPTION_INVALID', `output "${tensor.name}" has ${width} columns for ${length} classes`)
  }
}
