/** Signature: whether tensors fit the inputs that a model version describes. */
import type { Description, Dimension, TensorSignature } from '../contract/description.ts'
import { SelvedgeError } from '../errors.ts'
import type { Tensor, Tensors } from './tensor.ts'

/**
 * Checks names, datatypes and shapes before a session sees them. A symbol has one size over all inputs; -1 and an absent
 * shape take anything.
 *
 * @throws {@link SelvedgeError} `INPUT_UNKNOWN`, `INPUT_MISSING`, `DATATYPE_MISMATCH`, `SHAPE_MISMATCH`
 */
export function checkInputs(description: Description, inputs: Tensors): void {
  const known = new Set(description.inputs.map((input) => input.name))
  const unknown = Object.keys(inputs).find((name) => !known.has(name))
  if (unknown !== undefined) {
    throw new SelvedgeError(
      'INPUT_UNKNOWN',
      `no input "${unknown.slice(0, 128)}"; the inputs are ${quoted([...known])}`,
      {
        input: unknown.slice(0, 128),
      },
    )
  }
  const symbols = new Map<string, { size: number; input: string }>()
  for (const signature of description.inputs) {
    const tensor = Object.hasOwn(inputs, signature.name) ? inputs[signature.name] : undefined
    if (tensor === undefined) {
      throw new SelvedgeError('INPUT_MISSING', `input "${signature.name}" is missing`, { input: signature.name })
    }
    checkDatatype(signature, tensor)
    if (signature.shape !== undefined) checkShape(signature.name, signature.shape, tensor.shape, symbols)
  }
}

function checkDatatype({ name, datatype }: TensorSignature, tensor: Tensor): void {
  if (tensor.datatype === datatype) return
  throw new SelvedgeError('DATATYPE_MISMATCH', `input "${name}": got ${tensor.datatype}, want ${datatype}`, {
    input: name,
  })
}

function checkShape(
  input: string,
  want: readonly Dimension[],
  got: readonly number[],
  symbols: Map<string, { size: number; input: string }>,
): void {
  const mismatch = (why: string) =>
    new SelvedgeError('SHAPE_MISMATCH', `input "${input}": got [${got}], want [${want}]${why}`, { input })
  if (got.length !== want.length) throw mismatch('')
  for (const [axis, dimension] of want.entries()) {
    const size = got[axis] ?? 0
    if (dimension === -1 || dimension === size) continue
    if (typeof dimension === 'number') throw mismatch('')
    const bound = symbols.get(dimension)
    if (bound === undefined) symbols.set(dimension, { size, input })
    else if (bound.size !== size) throw mismatch(`, where ${dimension} is ${bound.size} in input "${bound.input}"`)
  }
}

// A description may have a thousand inputs.
function quoted(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => `"${name}"`)
  return [...shown, ...(names.length > shown.length ? ['…'] : [])].join(', ')
}
