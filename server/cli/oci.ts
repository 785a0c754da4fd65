/** What a registry holds, as OCI Distribution 1.1 has it: blobs and manifests by digest. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { digest } from '../../runtime/contract/names.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { request, type Server } from './answers.ts'

/** Content that is named by its digest: bytes, or a file that is streamed and so may be larger than memory. */
export interface Blob {
  digest: string
  size: number
  content: Uint8Array | { file: string }
}

/** OCI image-spec 1.1, "Content Descriptors". */
const descriptor = z.object({
  mediaType: z.string(),
  digest,
  size: z.int().min(0),
  annotations: z.record(z.string(), z.string()).optional(),
})

export type Descriptor = z.infer<typeof descriptor>

const image = z.object({ schemaVersion: z.literal(2), config: descriptor, layers: z.array(descriptor) })

export type ImageManifest = z.infer<typeof image>

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

/** @throws {@link SelvedgeError} `DIGEST_MISMATCH` where what came is something else */
export async function readManifest(server: Server, repository: string, digest: string): Promise<ImageManifest> {
  const response = await request(server, `v2/${repository}/manifests/${digest}`, { headers: { accept: manifestType } })
  const bytes = await response.bytes()
  const came = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  if (came !== digest) throw new SelvedgeError('DIGEST_MISMATCH', `the manifest that came has the digest ${came}`)
  const parsed = image.safeParse(JSON.parse(Buffer.from(bytes).toString()))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new SelvedgeError('MANIFEST_INVALID', `manifest, ${issue?.path.join('.')}: ${issue?.message}`)
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
