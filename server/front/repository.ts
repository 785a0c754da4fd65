/** Triton's repository and configuration extensions: which versions are there, and how each is run. */
import { z } from 'zod'
import type { Dimension, TensorSignature } from '../../runtime/contract/description.ts'
import { limits } from '../../runtime/limits.ts'
import { parseJson } from '../../runtime/oip/json-text.ts'
import { parseMessage } from '../../runtime/oip/message.ts'
import { hasBatchAxis } from '../../runtime/scoring/batcher.ts'
import type { Scoring } from '../scoring.ts'
import { platformOf, servedDeployment } from './metadata.ts'

const indexRequest = z.object({ ready: z.boolean().optional() })

/**
 * @param body - of a POST: `{"ready": true}` leaves out what is not ready; may be empty
 * @throws SelvedgeError `INVALID_REQUEST`
 */
export function repositoryIndex(scoring: Scoring, body: Uint8Array) {
  const { ready } = body.length === 0 ? {} : parseMessage(indexRequest, parseJson(body))
  const all = scoring.endpoints.flatMap((name) => {
    const state = scoring.endpoint(name)
    if (state === undefined) return []
    if (state.deployments.length === 0) return [{ name, state: 'UNAVAILABLE', reason: 'not loaded yet' }]
    const versions = [...new Set(state.deployments.map(({ version }) => version))].sort((a, b) => a - b)
    return versions.map((version) =>
      state.isReady
        ? { name, version: String(version), state: 'READY', reason: '' }
        : { name, version: String(version), state: 'UNAVAILABLE', reason: 'no scorer can take it now' },
    )
  })
  return ready ? all.filter(({ state }) => state === 'READY') : all
}

/** @throws SelvedgeError as {@link servedDeployment} */
export function modelConfiguration(scoring: Scoring, name: string, version: number | undefined) {
  const { deployment, versions } = servedDeployment(scoring.endpoint(name), name, version)
  const { description, resources = {} } = deployment
  const { scorers = scoring.scorerCount, batchRows = limits.batchRows, batchDelayMs = 0 } = resources
  const platform = platformOf(description)
  const isBatchable = hasBatchAxis(description)
  return {
    name,
    platform,
    backend: platform === 'ensemble' ? '' : 'onnxruntime',
    version_policy: { specific: { versions: versions.map(Number) } },
    // In rows; 0 says that the first axis is no batch.
    max_batch_size: isBatchable ? batchRows : 0,
    input: description.inputs.map((each) => tensorConfiguration(each, isBatchable)),
    output: description.outputs.map((each) => tensorConfiguration(each, isBatchable)),
    instance_group: [{ name, kind: 'KIND_CPU', count: Math.min(scorers, scoring.scorerCount) }],
    ...(isBatchable && { dynamic_batching: { max_queue_delay_microseconds: batchDelayMs * 1000 } }),
  }
}

function tensorConfiguration({ name, datatype, shape = [] }: TensorSignature, isBatchable: boolean) {
  const dims = shape.map(sizeOf)
  return {
    name,
    data_type: datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`,
    dims: isBatchable ? dims.slice(1) : dims,
  }
}

function sizeOf(dimension: Dimension): number {
  return typeof dimension === 'number' ? dimension : -1
}
