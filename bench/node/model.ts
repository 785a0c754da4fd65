/** Models as ModelPack describes them, pushed over HTTP. */
import { encodeModel } from '../../runtime/onnx/writer.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { digestOf, manifestType, noise, type Oci } from './oci.ts'

export interface Model {
  config: Buffer
  files: Record<string, Buffer>
  manifest: Buffer
}

/** y = x · w. @param columns - of w, which has two rows: 8 bytes each in the file */
export function linearModel(columns: number, seed: number): Model {
  const weights = new Float32Array(Int8Array.from(noise(2 * columns, seed)))
  const network = encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'linear',
      nodes: [{ operator: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
      initializers: { w: createTensor('FP32', [2, columns], weights) },
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: ['N', columns] }],
    },
  })
  return packed({ 'model.onnx': Buffer.from(network) }, seed)
}

/** @returns once the manifest is taken; the blobs go two at a time where the client has two connections */
export async function pushModel(oci: Oci, repository: string, { config, files, manifest }: Model): Promise<void> {
  const blobs = [config, ...Object.values(files)]
  await Promise.all(blobs.map((bytes) => oci.pushBlob(repository, bytes, digestOf(bytes))))
  await oci.putManifest(repository, 'v1', manifest)
}

/** Its bytes. */
export async function pullModel(oci: Oci, repository: string, { config, files }: Model): Promise<number> {
  const manifest = await oci.pull(`/v2/${repository}/manifests/v1`)
  const blobs = [config, ...Object.values(files)]
  const pulled = await Promise.all(blobs.map((bytes) => oci.pull(`/v2/${repository}/blobs/${digestOf(bytes)}`)))
  return pulled.reduce((sum, length) => sum + length, manifest)
}

/** Endpoint `e` with all its traffic on a model that it makes. */
export async function deployModel(oci: Oci): Promise<void> {
  await pushModel(oci, 'm', linearModel(1, 1))
  await putJson(oci, '/api/v1/endpoints/e/deployments/blue', 201, { model: 'm', version: 1 })
}

export async function putJson(oci: Oci, path: string, want: number, value: unknown, headers = {}): Promise<void> {
  const body = Buffer.from(JSON.stringify(value))
  await oci.send('PUT', path, want, body, { 'content-type': 'application/json', ...headers })
}

/** @param seed - tells one model from another of the same files */
export function packed(files: Model['files'], seed: number): Model {
  const config = Buffer.from(JSON.stringify({ descriptor: { name: `m${seed}` } }))
  const layers = Object.entries(files).map(([path, bytes]) => ({
    mediaType: 'application/vnd.cncf.model.weight.v1.raw',
    digest: digestOf(bytes),
    size: bytes.length,
    annotations: { 'org.cncf.model.filepath': path },
  }))
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType: 'application/vnd.cncf.model.manifest.v1+json',
    config: {
      mediaType: 'application/vnd.cncf.model.config.v1+json',
      digest: digestOf(config),
      size: config.length,
    },
    layers,
  }
  return { config, files, manifest: Buffer.from(JSON.stringify(manifest)) }
}
