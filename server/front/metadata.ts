/** What the scoring plane says about itself and its endpoints (Open Inference Protocol v2, "Model Metadata"). */
import type { Dimension, TensorSignature } from '../../runtime/contract/description.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { EndpointState, Scoring } from '../scoring.ts'
import { version } from '../version.ts'

/** `guard` is ours: what holds a run that goes astray. */
export function serverMetadata(scoring: Scoring) {
  return { name: 'selvedge', version, extensions: ['binary_tensor_data'], guard: scoring.guard }
}

/**
 * `features` and `output` are ours: the names that `score` takes and gives.
 *
 * @throws {@link SelvedgeError} `NOT_READY`, `DEPLOYMENT_UNKNOWN` for a version that no deployment serves
 */
export function modelMetadata(name: string, state: EndpointState, wanted: number | undefined) {
  const [most] = state.deployments
  if (most === undefined) throw new SelvedgeError('NOT_READY', `endpoint ${name} has nothing to serve yet`)
  const deployment = wanted === undefined ? most : state.deployments.find((each) => each.version === wanted)
  if (deployment === undefined) {
    throw new SelvedgeError('DEPLOYMENT_UNKNOWN', `${name} serves no version ${wanted}`, { version: wanted })
  }
  const { inputs, outputs, features, output } = deployment.description
  return {
    name,
    versions: [...new Set(state.deployments.map((each) => String(each.version)))],
    platform: 'onnxruntime_onnx',
    inputs: inputs.map(tensorMetadata),
    outputs: outputs.map(tensorMetadata),
    ...(features && { features }),
    ...(output && { output }),
  }
}

function tensorMetadata({ name, datatype, shape }: TensorSignature) {
  return { name, datatype, shape: (shape ?? []).map(sizeOf) }
}

// The protocol has numbers only: every free dimension is -1.
function sizeOf(dimension: Dimension): number {
  return typeof dimension === 'number' ? dimension : -1
}
