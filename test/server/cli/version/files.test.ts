import { describe, expect, test } from 'vitest'
import { filesOf } from '../../../../server/cli/version/files.ts'

const digest = `sha256:${'a'.repeat(64)}`
const raw = 'application/vnd.cncf.model.weight.v1.raw'
const manifest = (...paths: (string | undefined)[]) => ({
  schemaVersion: 2 as const,
  config: { mediaType: 'application/vnd.cncf.model.config.v1+json', digest, size: 2 },
  layers: paths.map((path) => ({
    mediaType: raw,
    digest,
    size: 1,
    ...(path !== undefined && { annotations: { 'org.cncf.model.filepath': path } }),
  })),
})

describe('files of a version', () => {
  test('are its raw layers by their paths; what is no single file is named apart', () => {
    const archive = { mediaType: 'application/vnd.cncf.model.weight.v1.tar', digest, size: 1 }
    const { layers, ...rest } = manifest('model.onnx', 'onnx/weights.bin', undefined)
    expect(filesOf({ ...rest, layers: [...layers, archive] })).toEqual({
      files: [
        { path: 'model.onnx', digest, size: 1 },
        { path: 'onnx/weights.bin', digest, size: 1 },
      ],
      leftOut: [digest, digest],
    })
  })

  test.each(['../x', 'a/../../x', '/etc/x', 'a//b', './a', '', 'a\\..\\x', 'C:x', 'a\0b', 'a\nb', 'a/'])(
    'UP-21: the path %j, which is none in a folder, is refused',
    (path) => expect(() => filesOf(manifest(path))).toThrow('is no relative path'),
  )

  test.each([
    ['a', 'a'],
    ['Model.onnx', 'model.onnx'],
    ['a', 'a/b'],
    ['A/b/c', 'a/B'],
  ])('UP-21: %j and %j, which cannot lie in one folder, are refused', (one, other) =>
    expect(() => filesOf(manifest(one, other))).toThrow('cannot lie in one folder'),
  )
})
