/** Whether `selvedge.json` and what stands beside it agree with the model file that they describe. */
import type { Description, Dimension, TensorSignature } from '../../runtime/contract/description.ts'
import type { Golden } from '../../runtime/contract/golden.ts'
import type { ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { cellCount } from '../../runtime/telemetry/profile.ts'

/**
 * @param network - the description that the model file itself gives
 * @throws {@link SelvedgeError} `DESCRIPTION_INVALID` naming the first disagreement
 */
export function checkAgreement(description: Description, network: Description, file: string): void {
  checkTensors('input', description.inputs, network.inputs, file)
  for (const { name } of network.inputs) {
    if (!description.inputs.some((input) => input.name === name)) {
      throw disagree(`${file} wants an input "${name}", which the description does not have`)
    }
  }
  checkTensors('output', description.outputs, network.outputs, file)
  for (const feature of description.features ?? []) {
    if (!description.inputs.some((input) => input.name === feature.input)) {
      throw disagree(`feature "${feature.name}" goes to input "${feature.input}", which is not there`)
    }
  }
  const { output } = description
  if (output !== undefined && !description.outputs.some(({ name }) => name === output.tensor)) {
    throw disagree(`the output's meaning names tensor "${output.tensor}", which is not an output`)
  }
}

/** @throws {@link SelvedgeError} `DESCRIPTION_INVALID` */
export function checkGolden({ samples }: Golden, description: Description): void {
  for (const [index, { inputs, outputs }] of samples.entries()) {
    checkNames(`golden sample ${index}, input`, inputs, description.inputs)
    checkNames(`golden sample ${index}, output`, outputs, description.outputs)
    const missing = description.inputs.find((input) => !inputs.some(({ name }) => name === input.name))
    if (missing !== undefined) throw disagree(`golden sample ${index} has no input "${missing.name}"`)
  }
}

/** @throws {@link SelvedgeError} `DESCRIPTION_INVALID` */
export function checkSpec(spec: ProfileSpec, description: Description): void {
  for (const feature of spec.features) {
    const from = feature.kind === 'numeric' && feature.reduction ? feature.reduction.feature : feature.name
    if (!description.features?.some(({ name }) => name === from)) {
      throw disagree(`the profile counts "${feature.name}", which is no feature of the description`)
    }
  }
  for (const side of [spec.features, spec.outputs]) {
    const names = new Set<string>()
    for (const feature of side) {
      if (names.has(feature.name)) throw disagree(`the profile has "${feature.name}" twice`)
      names.add(feature.name)
      if (feature.counts.length === cellCount(feature)) continue
      throw disagree(`profile "${feature.name}" has ${feature.counts.length} counts, want ${cellCount(feature)}`)
    }
  }
}

function checkTensors(
  side: 'input' | 'output',
  described: readonly TensorSignature[],
  real: readonly TensorSignature[],
  file: string,
): void {
  const seen = new Set<string>()
  for (const { name, datatype, shape } of described) {
    if (seen.has(name)) throw disagree(`${side} "${name}" stands twice`)
    seen.add(name)
    const found = real.find((tensor) => tensor.name === name)
    if (found === undefined) throw disagree(`${file} has no ${side} "${name}"`)
    if (found.datatype !== datatype) {
      throw disagree(`${side} "${name}": the description says ${datatype}, ${file} has ${found.datatype}`)
    }
    if (shape === undefined || found.shape === undefined) continue
    const fits = shape.length === found.shape.length && shape.every((size, axis) => mayBe(size, found.shape?.[axis]))
    if (fits) continue
    throw disagree(`${side} "${name}": the description says [${shape}], ${file} has [${found.shape}]`)
  }
}

// A description may say more than the file, never less: a batch that the file fixes at 1 is not free.
function mayBe(described: Dimension, real: Dimension | undefined): boolean {
  return typeof real === 'string' || real === -1 || described === real
}

function checkNames(
  what: string,
  tensors: readonly { name: string; datatype: string }[],
  known: readonly TensorSignature[],
): void {
  for (const { name, datatype } of tensors) {
    const found = known.find((tensor) => tensor.name === name)
    if (found === undefined) throw disagree(`${what} "${name}" is not in the description`)
    if (found.datatype !== datatype) throw disagree(`${what} "${name}": got ${datatype}, want ${found.datatype}`)
  }
}

function disagree(message: string): SelvedgeError {
  return new SelvedgeError('DESCRIPTION_INVALID', message)
}
