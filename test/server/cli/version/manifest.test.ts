import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { encodeManifest, type Layer } from '../../../../server/cli/version/manifest.ts'
import { describeBytes } from '../../../../server/cli/version/source.ts'

const layers: Layer[] = [
  { path: 'model.onnx', kind: 'weight', blob: describeBytes(new Uint8Array([1, 2, 3])) },
  { path: 'selvedge.json', kind: 'weightConfig', blob: describeBytes(new Uint8Array([4])) },
  { path: 'README.md', kind: 'doc', blob: describeBytes(new Uint8Array([5])) },
]
const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const parse = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString())

describe('CNCF ModelPack, manifest and config', () => {
  const { manifest, config, digest } = encodeManifest('housing', layers, { tags: { team: 'risk' }, why: 'November' })

  test('the manifest names its type, config, and files by path', () => {
    expect(parse(manifest)).toEqual({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'application/vnd.cncf.model.manifest.v1+json',
      config: { mediaType: 'application/vnd.cncf.model.config.v1+json', digest: config.digest, size: config.size },
      layers: [
        ['application/vnd.cncf.model.weight.v1.raw', 'model.onnx', 3],
        ['application/vnd.cncf.model.weight.config.v1.raw', 'selvedge.json', 1],
        ['application/vnd.cncf.model.doc.v1.raw', 'README.md', 1],
      ].map(([mediaType, path, size], i) => ({
        mediaType,
        digest: layers[i]?.blob.digest,
        size,
        annotations: { 'org.cncf.model.filepath': path },
      })),
      annotations: { 'selvedge.why': 'November', 'selvedge.tag.team': 'risk' },
    })
    expect(digest).toBe(sha256(manifest))
  })

  test('the config has the three required members, with the digests of the raw layers as diffIds', () => {
    expect(parse(config.content as Uint8Array)).toEqual({
      descriptor: { name: 'housing' },
      config: { format: 'onnx' },
      modelfs: { type: 'layers', diffIds: layers.map(({ blob }) => blob.digest) },
    })
    expect(config.digest).toBe(sha256(config.content as Uint8Array))
  })

  test('the same content has the same digest, whatever the order of the tags', () => {
    const one = encodeManifest('m', layers, { tags: { a: '1', b: '2' } })
    const other = encodeManifest('m', layers, { tags: { b: '2', a: '1' } })
    expect(one.digest).toBe(other.digest)
    expect(one.digest).not.toBe(encodeManifest('m', layers, { tags: { a: '1' } }).digest)
  })
})
