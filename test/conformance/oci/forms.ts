/** The forms of content that the specification's own suite goes through, each with what must be pushed before it. */
import {
  type Bytes,
  blobOf,
  bytesOf,
  type Client,
  type Descriptor,
  describeBytes,
  digestOf,
  pushBlob,
} from './registry.ts'

export const imageType = 'application/vnd.oci.image.manifest.v1+json'
export const indexType = 'application/vnd.oci.image.index.v1+json'
const layerType = 'application/vnd.oci.image.layer.v1.tar'
const configType = 'application/vnd.oci.image.config.v1+json'
export const emptyType = 'application/vnd.oci.empty.v1+json'
const exampleType = 'application/vnd.example.oci.conformance'

export interface Form {
  /** Manifests in the order in which they are pushed; the last one gets the tag. */
  manifests: { bytes: Bytes; mediaType: string; subject?: string }[]
  blobs: Bytes[]
}

interface ImageFields {
  layers?: number
  layerType?: string
  config?: Bytes
  configType?: string
  fields?: Record<string, unknown>
}

/** Bytes of blobs that the manifest names are put into `blobs`. */
function image(blobs: Bytes[], seed: number, options: ImageFields = {}): Bytes {
  const config = options.config ?? bytesOf({ architecture: 'amd64', os: 'linux', seed })
  const layers = Array.from({ length: options.layers ?? 2 }, (_, n) => blobOf(seed * 10 + n, 512))
  blobs.push(config, ...layers)
  return bytesOf({
    schemaVersion: 2,
    mediaType: imageType,
    config: describeBytes(options.configType ?? configType, config),
    layers: layers.map((layer) => describeBytes(options.layerType ?? layerType, layer)),
    ...options.fields,
  })
}

function index(manifests: Descriptor[], fields: Record<string, unknown> = {}): Bytes {
  return bytesOf({ schemaVersion: 2, mediaType: indexType, manifests, ...fields })
}

const asImage = (bytes: Bytes) => ({ bytes, mediaType: imageType })
const asIndex = (bytes: Bytes) => ({ bytes, mediaType: indexType })
const artifact = { layers: 1, layerType: exampleType, config: bytesOf('{}'), configType: emptyType }

function build(make: (blobs: Bytes[]) => Form['manifests']): Form {
  const blobs: Bytes[] = []
  return { manifests: make(blobs), blobs }
}

function withSubject(name: 'image' | 'index' | 'missing'): Form {
  return build((blobs) => {
    const one = image(blobs, 1)
    const subjectBytes = name === 'index' ? index([describeBytes(imageType, one)]) : one
    const subject = describeBytes(name === 'index' ? indexType : imageType, subjectBytes)
    const fields = { artifactType: exampleType, annotations: { form: name }, subject }
    const referrers = [
      { ...asImage(image(blobs, 2, { ...artifact, fields })), subject: subject.digest },
      { ...asIndex(index([], { ...fields, artifactType: `${exampleType}.two` })), subject: subject.digest },
    ]
    if (name === 'missing') return referrers
    return [asImage(one), ...(name === 'index' ? [asIndex(subjectBytes)] : []), ...referrers]
  })
}

export const forms: Record<string, Form> = {
  Image: build((blobs) => [asImage(image(blobs, 1))]),
  'Image with Large Manifest': build((blobs) => [
    asImage(image(blobs, 1, { fields: { annotations: { large: 'x'.repeat(3_900_000) } } })),
  ]),
  Index: build((blobs) => {
    const parts = [1, 2].map((seed) => image(blobs, seed))
    const platform = { architecture: 'amd64', os: 'linux' }
    return [
      ...parts.map(asImage),
      asIndex(index(parts.map((bytes) => Object.assign(describeBytes(imageType, bytes), { platform })))),
    ]
  }),
  'Nested Index': build((blobs) => {
    const one = image(blobs, 1)
    const inner = index([describeBytes(imageType, one)])
    return [asImage(one), asIndex(inner), asIndex(index([describeBytes(indexType, inner)]))]
  }),
  'Empty Index': build(() => [asIndex(index([]))]),
  Artifact: build((blobs) => [asImage(image(blobs, 1, { ...artifact, fields: { artifactType: exampleType } }))]),
  'Artifact Index': build((blobs) => {
    const one = image(blobs, 1, { ...artifact, fields: { artifactType: exampleType } })
    return [asImage(one), asIndex(index([describeBytes(imageType, one)], { artifactType: exampleType }))]
  }),
  'Artifacts with Subject': withSubject('image'),
  'Index with Subject': withSubject('index'),
  'Missing Subject': withSubject('missing'),
  'Data Field': build((blobs) => {
    const bytes = image(blobs, 1, { ...artifact, fields: { artifactType: exampleType } })
    const manifest = JSON.parse(new TextDecoder().decode(bytes))
    manifest.config.data = 'e30='
    return [asImage(bytesOf(manifest))]
  }),
  'Non-distributable Layers': build((blobs) => {
    const away = blobOf(77, 512)
    const layer = describeBytes('application/vnd.oci.image.layer.nondistributable.v1.tar', away)
    const manifest = JSON.parse(new TextDecoder().decode(image(blobs, 1)))
    manifest.layers.unshift({ ...layer, urls: ['https://example.com/layer'] })
    return [asImage(bytesOf(manifest))]
  }),
  'Custom Fields': build((blobs) => [
    asImage(image(blobs, 1, { config: bytesOf({ 'org.example': 1 }), fields: { 'org.example.field': { a: [1] } } })),
  ]),
  'No Layers': build((blobs) => [asImage(image(blobs, 1, { layers: 0 }))]),
}

export function taggedOf(form: Form): Form['manifests'][number] {
  const last = form.manifests.at(-1)
  if (last === undefined) throw new Error('a form has a manifest')
  return last
}

/** Pushes blobs, manifests by digest, the last one by tag as well; the answers to the manifests. */
export async function pushForm(client: Client, repository: string, form: Form, tag: string) {
  for (const blob of form.blobs) await pushBlob(client, repository, blob)
  const answers = []
  for (const { bytes, mediaType } of form.manifests) {
    const headers = { 'content-type': mediaType }
    answers.push(await client.call('PUT', `/v2/${repository}/manifests/${digestOf(bytes)}`, bytes, headers))
  }
  const { bytes, mediaType } = taggedOf(form)
  answers.push(await client.call('PUT', `/v2/${repository}/manifests/${tag}`, bytes, { 'content-type': mediaType }))
  return answers
}
