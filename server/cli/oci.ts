/** Pushing to a registry: OCI Distribution 1.1, "Pushing a blob monolithically: POST then PUT", and "Pushing Manifests". */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { SelvedgeError } from '../../runtime/errors.ts'
import { request, type Server } from './answers.ts'

/** Content that is named by its digest: bytes, or a file that is streamed and so may be larger than memory. */
export interface Blob {
  digest: string
  size: number
  content: Uint8Array | { file: string }
}

/** OCI image-spec 1.1, "Content Descriptors". */
export interface Descriptor {
  mediaType: string
  digest: string
  size: number
  annotations?: Record<string, string>
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json'

/** @returns false where the repository had the blob, and nothing was sent */
export async function pushBlob(
  server: Server,
  repository: string,
  blob: Blob,
  sent: (bytes: number) => void = () => undefined,
): Promise<boolean> {
  if (await hasBlob(server, repository, blob.digest)) return false
  const started = await request(server, `v2/${repository}/blobs/uploads/`, { method: 'POST' })
  const location = started.headers.get('location')
  if (location === null) {
    throw new SelvedgeError('REGISTRY_UNREACHABLE', `no registry at ${server.base}: an upload without Location`)
  }
  // "The <location> MAY contain critical query parameters": they are kept.
  const upload = new URL(location, new URL(`v2/${repository}/blobs/uploads/`, server.base))
  upload.searchParams.set('digest', blob.digest)
  await request(server, upload.href, { method: 'PUT', ...body(blob, sent) }, 0)
  return true
}

/** @returns the number of the version that the manifest is now */
export async function pushManifest(
  server: Server,
  repository: string,
  reference: string,
  manifest: Uint8Array<ArrayBuffer>,
): Promise<number> {
  const response = await request(server, `v2/${repository}/manifests/${reference}`, {
    method: 'PUT',
    headers: { 'content-type': manifestType },
    body: manifest,
  })
  const version = Number(response.headers.get('selvedge-version'))
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new SelvedgeError('UNSUPPORTED', `the registry at ${server.base} stored ${repository} but gave it no version`)
  }
  return version
}

async function hasBlob(server: Server, repository: string, digest: string): Promise<boolean> {
  try {
    await request(server, `v2/${repository}/blobs/${digest}`, { method: 'HEAD' })
    return true
  } catch (thrown) {
    if (thrown instanceof SelvedgeError && thrown.status === 404) return false
    throw thrown
  }
}

function body({ content, size }: Blob, sent: (bytes: number) => void): RequestInit & { duplex?: 'half' } {
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) }
  if (content instanceof Uint8Array) return { headers, body: Buffer.from(content) }
  const stream = createReadStream(content.file, { highWaterMark: 1024 * 1024 })
  stream.on('data', (chunk) => sent(chunk.length))
  return { headers, body: Readable.toWeb(stream) as RequestInit['body'] & {}, duplex: 'half' }
}
