/** A registry in a folder of its own, and models small enough to write by hand. */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRegistry, type Registry, type RegistryOptions } from '../../registry/registry.ts'
import { encodeModel } from '../../runtime/onnx/writer.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'

export interface Fixture extends AsyncDisposable {
  dataDir: string
  registry: Registry
  /** Entries of the log, oldest first. */
  logged: Record<string, unknown>[]
  request(path: string, init?: RequestInit & { token?: string; from?: string }): Promise<Response>
  /** Closes and opens the registry over the same folder. */
  restart(): Promise<void>
}

export async function openFixture(options: Partial<RegistryOptions> = {}): Promise<Fixture> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'selvedge-registry-')))
  const logged: Record<string, unknown>[] = []
  // Probes take a third of a second each; those that are about them name the real one.
  const open = () => openRegistry({ dataDir, log: (entry) => logged.push(entry), probe: async () => ({}), ...options })
  let registry = await open()
  return {
    dataDir,
    logged,
    get registry() {
      return registry
    },
    async request(path, { token, from, ...init } = {}) {
      const headers = new Headers(init.headers)
      if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
      const env = from === undefined ? undefined : { incoming: { socket: { remoteAddress: from }, rawHeaders: [] } }
      return await registry.app.request(path, { ...init, headers }, env)
    },
    async restart() {
      await registry.close()
      registry = await open()
    },
    async [Symbol.asyncDispose]() {
      await registry.close()
      await rm(dataDir, { recursive: true })
    },
  }
}

export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export function bytesOf(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
}

/** y = x · weights, for x of [N, 2]. Other weights, other bytes. */
export function linearModel(weights: readonly [number, number]): Uint8Array<ArrayBuffer> {
  const model = encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'linear',
      nodes: [{ operator: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
      initializers: { w: createTensor('FP32', [2, 1], Float32Array.from(weights)) },
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: ['N', 1] }],
    },
  })
  return new Uint8Array(model)
}

export const linearDescription = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: ['N', 1] }],
  features: [
    { name: 'a', kind: 'numeric', input: 'x', index: 0 },
    { name: 'b', kind: 'numeric', input: 'x', index: 1 },
  ],
  output: { kind: 'regression', tensor: 'y' },
  variants: [{ id: 'fp32', file: 'model.onnx', providers: ['wasm', 'cpu'] }],
}

/** Two cells and five kinds of missing for `a`; one cell for the output. */
export const linearSpec = {
  features: [
    { name: 'a', kind: 'numeric', edges: [0], points: [], counts: [4, 6, 0, 0, 0, 0] },
    { name: 'b', kind: 'numeric', edges: [], points: [], counts: [10, 0, 0, 0, 0] },
  ],
  outputs: [{ name: 'value', kind: 'numeric', edges: [], points: [], counts: [10, 0, 0, 0, 0] }],
}

export type Files = Record<string, Uint8Array<ArrayBuffer>>

export function linearFiles(weights: readonly [number, number] = [1, 2]): Files {
  return {
    'model.onnx': linearModel(weights),
    'selvedge.json': bytesOf(linearDescription),
    'profile.json': bytesOf(linearSpec),
  }
}

/** The file of a blob. */
export function placeOf({ dataDir }: Pick<Fixture, 'dataDir'>, digest: string): string {
  const hex = digest.slice('sha256:'.length)
  return join(dataDir, 'blobs', 'sha256', hex.slice(0, 2), hex.slice(2, 4), hex)
}

export async function pushBlob(fixture: Fixture, repository: string, bytes: Uint8Array<ArrayBuffer>, token?: string) {
  const answer = await fixture.request(`/v2/${repository}/blobs/uploads/?digest=${digestOf(bytes)}`, {
    method: 'POST',
    body: bytes,
    ...(token !== undefined && { token }),
  })
  if (answer.status !== 201) throw new Error(`blob refused: ${answer.status} ${await answer.text()}`)
}

/** A ModelPack manifest over the files, whose blobs are pushed on the way. */
export async function modelManifest(
  fixture: Fixture,
  repository: string,
  files: Files,
  annotations: Record<string, string> = {},
  token?: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const config = bytesOf({ descriptor: { name: repository } })
  await pushBlob(fixture, repository, config, token)
  const layers: unknown[] = []
  for (const [path, bytes] of Object.entries(files)) {
    await pushBlob(fixture, repository, bytes, token)
    layers.push({
      mediaType: `application/vnd.cncf.model.weight${path.endsWith('.json') ? '.config' : ''}.v1.raw`,
      digest: digestOf(bytes),
      size: bytes.length,
      annotations: { 'org.cncf.model.filepath': path },
    })
  }
  return bytesOf({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: 'application/vnd.cncf.model.manifest.v1+json',
    config: {
      mediaType: 'application/vnd.cncf.model.config.v1+json',
      digest: digestOf(config),
      size: config.length,
    },
    layers,
    annotations,
  })
}

export async function putManifest(
  fixture: Fixture,
  repository: string,
  reference: string,
  manifest: Uint8Array<ArrayBuffer>,
  token?: string,
): Promise<Response> {
  return await fixture.request(`/v2/${repository}/manifests/${reference}`, {
    method: 'PUT',
    body: manifest,
    headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    ...(token !== undefined && { token }),
  })
}

export async function pushModel(
  fixture: Fixture,
  repository: string,
  reference: string,
  files: Files = linearFiles(),
  annotations: Record<string, string> = {},
): Promise<Response> {
  return await putManifest(fixture, repository, reference, await modelManifest(fixture, repository, files, annotations))
}

export async function sendJson(
  fixture: Fixture,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return await fixture.request(path, {
    method,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  })
}

/** Models `a@1` and `a@2`, endpoint `e` with deployments blue (1, all traffic) and green (2). */
export async function openServing(options: Partial<RegistryOptions> = {}): Promise<Fixture> {
  const fixture = await openFixture(options)
  await pushModel(fixture, 'a', '1', linearFiles([1, 2]))
  await pushModel(fixture, 'a', '2', linearFiles([3, 4]))
  await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version: 1 })
  await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/green', { model: 'a', version: 2 })
  return fixture
}
