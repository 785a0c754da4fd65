/** What a registry holds, as OCI Distribution 1.1 has it: blobs by digest, manifests by digest, version or alias. */
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

export async function hasBlob(
  server: Server,
  repository: string,
  digest: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await request(server, `v2/${repository}/blobs/${digest}`, { method: 'HEAD', signal })
    return true
  } catch (thrown) {
    if (thrown instanceof SelvedgeError && thrown.status === 404) return false
    throw thrown
  }
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
