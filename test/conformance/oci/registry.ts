/** A registry behind a real listener, and what the clauses of OCI Distribution 1.1 are tried with. */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listen } from '../../../registry/listener.ts'
import { openRegistry } from '../../../registry/registry.ts'

export type Bytes = Uint8Array<ArrayBuffer>

export interface Client extends AsyncDisposable {
  url: string
  /** `path` may be what a Location header said. */
  call(method: string, path: string, body?: Bytes, headers?: Record<string, string>): Promise<Answer>
}

export interface Answer {
  status: number
  headers: Headers
  bytes: Bytes
  /** Code of the first error. */
  code: string | undefined
}

export async function openClient(): Promise<Client> {
  const dataDir = await mkdtemp(join(tmpdir(), 'selvedge-oci-'))
  const registry = await openRegistry({ dataDir })
  const listener = await listen(registry, '127.0.0.1', 0)
  return {
    url: listener.url,
    async call(method, path, body, headers = {}) {
      const response = await fetch(new URL(path, listener.url), { method, headers, ...(body && { body }) })
      const bytes = new Uint8Array(await response.arrayBuffer())
      const isError = response.status >= 400 && response.headers.get('content-type')?.startsWith('application/json')
      const code = isError && bytes.length > 0 ? JSON.parse(textOf(bytes)).errors[0].code : undefined
      return { status: response.status, headers: response.headers, bytes, code }
    },
    async [Symbol.asyncDispose]() {
      registry.drain()
      await listener.close(0)
      await registry.close()
      await rm(dataDir, { recursive: true })
    },
  }
}

export function bytesOf(value: unknown): Bytes {
  return new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Bytes that are the same for the same seed and differ between seeds. */
export function blobOf(seed: number, size: number): Bytes {
  return new Uint8Array(size).map((_, i) => (i * 31 + seed * 7 + (i >> 8)) & 0xff)
}

export async function startUpload(client: Client, repository: string): Promise<string> {
  const started = await client.call('POST', `/v2/${repository}/blobs/uploads/`)
  if (started.status !== 202) throw new Error(`no upload: ${started.status} ${textOf(started.bytes)}`)
  return started.headers.get('location') ?? ''
}

export async function pushBlob(client: Client, repository: string, blob: Bytes): Promise<Descriptor> {
  const location = await startUpload(client, repository)
  const put = await client.call('PUT', `${location}?digest=${digestOf(blob)}`, blob)
  if (put.status !== 201) throw new Error(`no blob: ${put.status} ${textOf(put.bytes)}`)
  return describeBytes('application/octet-stream', blob)
}

export interface Descriptor {
  mediaType: string
  digest: string
  size: number
}

export function describeBytes(mediaType: string, bytes: Bytes): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}
