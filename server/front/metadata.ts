/** What the scoring plane says about itself and its endpoints (Open Inference Protocol v2, "Model Metadata"). */
import type { Description, Dimension, TensorSignature } from '../../runtime/contract/description.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { EndpointState, Scoring } from '../scoring.ts'
import { version } from '../version.ts'
import { type Compat, serverName } from './compat.ts'

/** `guard` and `providers` are ours: what holds a run that goes astray, what models run on and why not on the rest. */
export function serverMetadata(scoring: Scoring, compat: Compat) {
  const { guard, providers } = scoring
  return { name: serverName(compat), version, extensions, guard, ...(providers && { providers }) }
}

const extensions = [
  'classification',
  'binary_tensor_data',
  'model_configuration',
  'model_repository',
  'parameters',
  'schedule_policy',
  'statistics',
]

/** @throws {@link SelvedgeError} `NOT_READY`, `DEPLOYMENT_UNKNOWN` for a version that no deployment serves */
export function servedDeployment(state: EndpointState | undefined, name: string, wanted: number | undefined) {
  const deployments = state?.deployments ?? []
  const [most] = deployments
  if (most === undefined) throw new SelvedgeError('NOT_READY', `endpoint ${name} has nothing to serve yet`)
  const deployment = wanted === undefined ? most : deployments.find((each) => each.version === wanted)
  if (deployment === undefined) {
    throw new SelvedgeError('DEPLOYMENT_UNKNOWN', `${name} serves no version ${wanted}`, { version: wanted })
  }
  return { deployment, versions: [...new Set(deployments.map((each) => String(each.version)))] }
}

/**
 * `features` and `output` are ours: the names that `score` takes and gives.
 *
 * @throws {@link SelvedgeError} as {@link servedDeployment}
 */
export function modelMetadata(name: string, state: EndpointState, wanted: number | undefined) {
  const { deployment, versions } = servedDeployment(state, name, wanted)
  const { inputs, outputs, features, output } = deployment.description
  return {
    name,
    versions,
    platform: platformOf(deployment.description),
    inputs: inputs.map(tensorMetadata),
    outputs: outputs.map(tensorMetadata),
    ...(features && { features }),
    ...(output && { output }),
  }
}

/** Triton's names. An ensemble has no variant of its own: its steps have. */
export function platformOf({ variants }: Description): 'onnxruntime_onnx' | 'ensemble' {
  return variants.length > 0 ? 'onnxruntime_onnx' : 'ensemble'
}

function tensorMetadata({ name, datatype, shape }: TensorSignature) {
  return { name, datatype, shape: (shape ?? []).map(sizeOf) }
}

// The protocol has numbers only: every free dimension is -1.
function sizeOf(dimension: Dimension): number {
  return typeof dimension === 'number' ? dimension : -1
}
