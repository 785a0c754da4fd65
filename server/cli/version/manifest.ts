/** A version as an OCI manifest of the CNCF ModelPack form: model-spec, "spec.md", "config.md" and "annotations.md". */
import { createHash } from 'node:crypto'
import { type Blob, type Descriptor, manifestType } from '../oci.ts'

const mediaTypes = {
  artifact: 'application/vnd.cncf.model.manifest.v1+json',
  config: 'application/vnd.cncf.model.config.v1+json',
  weight: 'application/vnd.cncf.model.weight.v1.raw',
  weightConfig: 'application/vnd.cncf.model.weight.config.v1.raw',
  doc: 'application/vnd.cncf.model.doc.v1.raw',
} as const

export const filepathAnnotation = 'org.cncf.model.filepath'

export interface Layer {
  /** Path of the file in the version. */
  path: string
  kind: 'weight' | 'weightConfig' | 'doc'
  blob: Blob
}

export interface VersionManifest {
  config: Blob
  manifest: Uint8Array<ArrayBuffer>
  digest: string
}

/**
 * The same layers, tags and reason give the same bytes: no clock, no order of a folder, so that a push that changes
 * nothing makes no version.
 */
export function encodeManifest(
  model: string,
  layers: readonly Layer[],
  { tags, why }: { tags: Readonly<Record<string, string>>; why?: string | undefined },
): VersionManifest {
  const config = encodeConfig(model, layers)
  const annotations: Record<string, string> = { ...(why !== undefined && { 'selvedge.why': why }) }
  for (const key of Object.keys(tags).sort()) annotations[`selvedge.tag.${key}`] = tags[key] ?? ''
  const bytes = encodeJson({
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType: mediaTypes.artifact,
    config: { mediaType: mediaTypes.config, digest: config.digest, size: config.size },
    layers: layers.map(
      ({ path, kind, blob }): Descriptor => ({
        mediaType: mediaTypes[kind],
        digest: blob.digest,
        size: blob.size,
        annotations: { [filepathAnnotation]: path },
      }),
    ),
    ...(Object.keys(annotations).length > 0 && { annotations }),
  })
  return { config, manifest: bytes, digest: digestOf(bytes) }
}

export function encodeJson(value: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(`${JSON.stringify(value, null, 2)}\n`))
}

// Layers are raw files, so that the digest of the content is the digest of the layer.
function encodeConfig(model: string, layers: readonly Layer[]): Blob {
  const bytes = encodeJson({
    descriptor: { name: model },
    config: { format: 'onnx' },
    modelfs: { type: 'layers', diffIds: layers.map(({ blob }) => blob.digest) },
  })
  return { digest: digestOf(bytes), size: bytes.length, content: bytes }
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
