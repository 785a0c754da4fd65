/**
 * Manifests: OCI image-spec 1.1, Docker's image manifest version 2 schema 2, the CNCF ModelPack format on top of the first,
 * and any other form, which is stored as it is.
 */
import { z } from 'zod'
import { digest } from '../../runtime/contract/names.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { checkedText } from '../http/json.ts'

const modelArtifactType = 'application/vnd.cncf.model.manifest.v1+json'
export const modelConfigType = 'application/vnd.cncf.model.config.v1+json'
export const filepathAnnotation = 'org.cncf.model.filepath'

const imageType = 'application/vnd.oci.image.manifest.v1+json'
export const indexType = 'application/vnd.oci.image.index.v1+json'

const forms = new Map<string, 'image' | 'index'>([
  [imageType, 'image'],
  [indexType, 'index'],
  ['application/vnd.docker.distribution.manifest.v2+json', 'image'],
  ['application/vnd.docker.distribution.manifest.list.v2+json', 'index'],
])

const annotations = z.record(z.string(), z.string())

const descriptor = z.looseObject({
  mediaType: z.string().min(1).max(255),
  digest,
  size: z.int().min(0),
  annotations: annotations.optional(),
})

const common = {
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: z.string().max(255).optional(),
  subject: descriptor.optional(),
  annotations: annotations.optional(),
}

const image = z.looseObject({ ...common, config: descriptor, layers: z.array(descriptor).max(10_000) })

const index = z.looseObject({ ...common, manifests: z.array(descriptor).max(10_000) })

// What another form says in OCI's words counts, and what it says in its own is its own affair.
const other = z.looseObject({
  mediaType: z.string().optional(),
  artifactType: z.string().max(255).optional().catch(undefined),
  subject: descriptor.optional().catch(undefined),
  annotations: annotations.optional().catch(undefined),
})

type Descriptor = z.infer<typeof descriptor>
export type ImageManifest = z.infer<typeof image>

export interface Manifest {
  mediaType: string
  /** Must be in the repository. */
  blobs: Pick<Descriptor, 'digest' | 'size'>[]
  /** Manifests that must be in the repository. */
  children: Pick<Descriptor, 'digest'>[]
  /** Digests that need not be there; what of them is in the repository stays there with it. */
  mentioned: string[]
  /** A digest; it need not be there. */
  subject?: string | undefined
  artifactType?: string | undefined
  annotations?: Record<string, string> | undefined
  /** Where it is the manifest of a ModelPack model. */
  model?: ImageManifest | undefined
}

/** @throws {@link SelvedgeError} `MANIFEST_INVALID` */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): Manifest {
  const json = parseJson(bytes)
  const { mediaType: own, manifests } = parse(z.looseObject({ mediaType: z.string().optional() }), json)
  const announced = contentType?.split(';')[0]?.trim()
  const mediaType = own ?? announced ?? (manifests === undefined ? imageType : indexType)
  if (announced !== undefined && announced !== mediaType) {
    throw new SelvedgeError('MANIFEST_INVALID', `the content type is ${announced}, the manifest is ${mediaType}`)
  }
  const form = forms.get(mediaType)
  if (form === 'image') return ofImage(mediaType, parse(image, json))
  if (form === 'index') return ofIndex(mediaType, parse(index, json))
  return ofOther(mediaType, parse(other, json))
}

function ofImage(mediaType: string, image: ImageManifest): Manifest {
  const { config, layers, artifactType, subject, annotations } = image
  return {
    mediaType,
    blobs: [config, ...layers.filter((layer) => !isNonDistributable(layer))],
    children: [],
    mentioned: layers.filter(isNonDistributable).map((layer) => layer.digest),
    subject: subject?.digest,
    // "If the artifactType is empty or missing, it is the config descriptor's mediaType" (Pushing Manifests with Subject).
    artifactType: artifactType || config.mediaType,
    annotations,
    ...(mediaType === imageType && artifactType === modelArtifactType && { model: image }),
  }
}

function ofIndex(
  mediaType: string,
  { manifests, artifactType, subject, annotations }: z.infer<typeof index>,
): Manifest {
  return {
    mediaType,
    blobs: [],
    children: manifests,
    mentioned: [],
    subject: subject?.digest,
    artifactType: artifactType || undefined,
    annotations,
  }
}

function ofOther(mediaType: string, manifest: z.infer<typeof other>): Manifest {
  const { artifactType, subject, annotations } = manifest
  return {
    mediaType,
    blobs: [],
    children: [],
    mentioned: digestsIn(manifest),
    subject: subject?.digest,
    artifactType: artifactType || undefined,
    annotations,
  }
}

// "Layers with these media types are downloaded individually, but SHOULD NOT be uploaded" (image-spec 1.1, layer).
function isNonDistributable({ mediaType }: Descriptor): boolean {
  return mediaType.includes('.nondistributable.') || mediaType.includes('.rootfs.foreign.')
}

function digestsIn(value: unknown): string[] {
  const found = new Set<string>()
  const waiting = [value]
  for (let each = waiting.pop(); each !== undefined; each = waiting.pop()) {
    if (typeof each === 'string' && digest.safeParse(each).success) found.add(each)
    if (typeof each === 'object' && each !== null) waiting.push(...Object.values(each))
  }
  return [...found]
}

function parse<T>(schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new SelvedgeError('MANIFEST_INVALID', `manifest, ${issue?.path.join('.') || '(root)'}: ${issue?.message}`)
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(checkedText(bytes))
  } catch (cause) {
    const why = cause instanceof SelvedgeError ? cause.message.replace('the body', 'the manifest') : 'it is not JSON'
    throw new SelvedgeError('MANIFEST_INVALID', `manifest: ${why}`, {}, { cause })
  }
}
