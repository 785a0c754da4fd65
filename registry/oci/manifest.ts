/** Manifests: OCI image-spec 1.1, and the CNCF ModelPack format on top of it. */
import { z } from 'zod'
import { digest } from '../../runtime/contract/names.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { checkedText } from '../http/json.ts'

const modelArtifactType = 'application/vnd.cncf.model.manifest.v1+json'
export const modelConfigType = 'application/vnd.cncf.model.config.v1+json'
export const filepathAnnotation = 'org.cncf.model.filepath'

const imageType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'

const annotations = z.record(z.string(), z.string())

const descriptor = z.looseObject({
  mediaType: z.string().min(1).max(255),
  digest,
  size: z.int().min(0),
  annotations: annotations.optional(),
})

const image = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.literal(imageType).optional(),
  artifactType: z.string().max(255).optional(),
  config: descriptor,
  layers: z.array(descriptor).max(10_000),
  subject: descriptor.optional(),
  annotations: annotations.optional(),
})

const index = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.literal(indexType),
  artifactType: z.string().max(255).optional(),
  manifests: z.array(descriptor).max(10_000),
  subject: descriptor.optional(),
  annotations: annotations.optional(),
})

export type ImageManifest = z.infer<typeof image>
type IndexManifest = z.infer<typeof index>

export type Manifest =
  | { kind: 'image'; mediaType: string; image: ImageManifest }
  | { kind: 'index'; mediaType: string; index: IndexManifest }

/** @throws {@link SelvedgeError} `MANIFEST_INVALID` */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): Manifest {
  const json = parseJson(bytes)
  const manifest: Manifest = isIndex(json)
    ? { kind: 'index', mediaType: indexType, index: parse(index, json) }
    : { kind: 'image', mediaType: imageType, image: parse(image, json) }
  const announced = contentType?.split(';')[0]?.trim()
  if (announced !== undefined && announced !== manifest.mediaType) {
    throw new SelvedgeError(
      'MANIFEST_INVALID',
      `the content type is ${announced}, the manifest is ${manifest.mediaType}`,
    )
  }
  return manifest
}

/** The manifest, where it is one of a ModelPack model. */
export function modelOf(manifest: Manifest): ImageManifest | undefined {
  return manifest.kind === 'image' && manifest.image.artifactType === modelArtifactType ? manifest.image : undefined
}

function parse<T>(schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new SelvedgeError('MANIFEST_INVALID', `manifest, ${issue?.path.join('.') || '(root)'}: ${issue?.message}`)
}

function isIndex(json: unknown): boolean {
  return typeof json === 'object' && json !== null && 'mediaType' in json && json.mediaType === indexType
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(checkedText(bytes))
  } catch (cause) {
    const why = cause instanceof SelvedgeError ? cause.message.replace('the body', 'the manifest') : 'it is not JSON'
    throw new SelvedgeError('MANIFEST_INVALID', `manifest: ${why}`, {}, { cause })
  }
}
