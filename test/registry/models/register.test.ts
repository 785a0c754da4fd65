import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bytesOf,
  digestOf,
  linearDescription,
  linearFiles,
  linearModel,
  linearSpec,
  modelManifest,
  openFixture,
  pushBlob,
  pushModel,
  putManifest,
  sendJson,
} from '../fixture.ts'

describe('pushing a model', () => {
  test('registers version 1 with its description, tags and reason', async () => {
    await using fixture = await openFixture()
    const answer = await pushModel(fixture, 'a', '1', linearFiles(), {
      'selvedge.why': 'first try',
      'selvedge.tag.team': 'risk',
    })
    expect(answer.status).toBe(201)
    expect(answer.headers.get('selvedge-version')).toBe('1')
    const version = await (await fixture.request('/api/v1/models/a/versions/1')).json()
    const manifest = await modelManifest(fixture, 'a', linearFiles(), {
      'selvedge.why': 'first try',
      'selvedge.tag.team': 'risk',
    })
    expect(version).toEqual({
      model: 'a',
      version: 1,
      manifest: digestOf(manifest),
      sizeBytes: expect.any(Number),
      createdAt: expect.any(String),
      tags: { team: 'risk' },
      why: 'first try',
      description: linearDescription,
      hasProfile: true,
      hasGolden: false,
      probe: expect.objectContaining({ state: expect.stringMatching(/pending|passed/) }),
    })
  })

  test('without selvedge.json describes the version from the .onnx file', async () => {
    await using fixture = await openFixture()
    const answer = await pushModel(fixture, 'a', '1', { 'net.onnx': linearModel([1, 2]) })
    expect(answer.status).toBe(201)
    const { description } = (await (await fixture.request('/api/v1/models/a/versions/1')).json()) as {
      description: unknown
    }
    expect(description).toEqual({
      inputs: linearDescription.inputs,
      outputs: linearDescription.outputs,
      variants: [{ id: 'fp32', file: 'net.onnx', providers: ['webgpu', 'wasm', 'cpu', 'cuda'] }],
    })
  })

  test('UP-17 to a version that is there answers 201 for the same bytes and 409 for others', async () => {
    await using fixture = await openFixture()
    await pushModel(fixture, 'a', '1')
    expect((await pushModel(fixture, 'a', '1')).status).toBe(201)
    const other = await pushModel(fixture, 'a', '1', linearFiles([5, 6]))
    expect(other.status).toBe(409)
    expect(await other.json()).toMatchObject({ errors: [{ code: 'DENIED' }] })
    const { items } = (await (await fixture.request('/api/v1/models/a/versions')).json()) as { items: unknown[] }
    expect(items).toHaveLength(1)
  })

  test('to a number that is not the next is refused', async () => {
    await using fixture = await openFixture()
    for (const tag of ['2', '0', '01', '7']) expect((await pushModel(fixture, 'a', tag)).status).toBe(409)
    expect((await fixture.request('/api/v1/models/a')).status).toBe(404)
  })

  test('to an alias registers what is new and moves the alias', async () => {
    await using fixture = await openFixture()
    const first = await pushModel(fixture, 'a', 'champion', linearFiles([1, 2]))
    expect(first.headers.get('selvedge-version')).toBe('1')
    await pushModel(fixture, 'a', 'champion', linearFiles([3, 4]))
    const again = await pushModel(fixture, 'a', 'champion', linearFiles([1, 2]))
    expect(again.headers.get('selvedge-version')).toBe('1')
    const champion = await fixture.request('/v2/a/manifests/champion')
    const one = await fixture.request('/v2/a/manifests/1')
    expect(champion.headers.get('docker-content-digest')).toBe(one.headers.get('docker-content-digest'))
    expect(await (await fixture.request('/v2/a/tags/list')).json()).toEqual({ name: 'a', tags: ['1', '2', 'champion'] })
  })

  test('by digest registers no version', async () => {
    await using fixture = await openFixture()
    const manifest = await modelManifest(fixture, 'a', linearFiles())
    const answer = await putManifest(fixture, 'a', digestOf(manifest), manifest)
    expect(answer.status).toBe(201)
    expect(answer.headers.get('selvedge-version')).toBeNull()
    expect((await fixture.request('/api/v1/models/a')).status).toBe(404)
  })

  test('to a name with slashes is stored as plain OCI', async () => {
    await using fixture = await openFixture()
    const answer = await pushModel(fixture, 'mirror/a', '7')
    expect(answer.status).toBe(201)
    expect(answer.headers.get('selvedge-version')).toBeNull()
    expect((await fixture.request('/v2/mirror/a/manifests/7')).status).toBe(200)
    expect(await (await fixture.request('/api/v1/models')).json()).toEqual({ items: [] })
  })
})

describe('a version that does not fit is refused and changes nothing', () => {
  const description = linearDescription
  const cases: { name: string; files: Record<string, Uint8Array<ArrayBuffer>>; status: number; code: string }[] = [
    {
      name: 'a file that is no ONNX',
      files: { 'model.onnx': bytesOf('no model at all') },
      status: 422,
      code: 'MODEL_INVALID',
    },
    {
      name: 'two .onnx files without selvedge.json',
      files: { 'a.onnx': linearModel([1, 2]), 'b.onnx': linearModel([3, 4]) },
      status: 422,
      code: 'DESCRIPTION_INVALID',
    },
    {
      name: 'a description that is no JSON',
      files: { ...linearFiles(), 'selvedge.json': bytesOf('{') },
      status: 422,
      code: 'DESCRIPTION_INVALID',
    },
    {
      name: 'an input that the network does not have',
      files: {
        ...linearFiles(),
        'selvedge.json': bytesOf({ ...description, inputs: [{ name: 'z', datatype: 'FP32', shape: ['N', 2] }] }),
      },
      status: 422,
      code: 'DESCRIPTION_INVALID',
    },
    {
      name: 'another datatype',
      files: {
        ...linearFiles(),
        'selvedge.json': bytesOf({ ...description, inputs: [{ name: 'x', datatype: 'FP64', shape: ['N', 2] }] }),
      },
      status: 422,
      code: 'DESCRIPTION_INVALID',
    },
    {
      name: 'a width that the network does not have',
      files: {
        ...linearFiles(),
        'selvedge.json': bytesOf({ ...description, inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 3] }] }),
      },
      status: 422,
      code: 'DESCRIPTION_INVALID',
    },
    {
      name: 'a variant whose file is not there',
      files: { 'selvedge.json': bytesOf(description), 'other.onnx': linearModel([1, 2]) },
      status: 422,
      code: 'DESCRIPTION_INVALID',
    },
    {
      name: 'a profile with a cell too few',
      files: {
        ...linearFiles(),
        'profile.json': bytesOf({
          ...linearSpec,
          outputs: [{ name: 'value', kind: 'numeric', edges: [], points: [], counts: [10, 0, 0, 0] }],
        }),
      },
      status: 422,
      code: 'DESCRIPTION_INVALID',
    },
    {
      name: 'golden samples of another model',
      files: {
        ...linearFiles(),
        'golden.json': bytesOf({
          tolerance: 1e-5,
          samples: [
            {
              inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 2], data: [1, 2] }],
              outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [5] }],
            },
          ],
        }),
      },
      status: 422,
      code: 'DESCRIPTION_INVALID',
    },
    {
      name: 'a layer path out of its folder',
      files: { ...linearFiles(), '../model.bin': bytesOf('x') },
      status: 400,
      code: 'MANIFEST_INVALID',
    },
  ]
  for (const { name, files, status, code } of cases) {
    test(name, async () => {
      await using fixture = await openFixture()
      const answer = await pushModel(fixture, 'a', '1', files)
      expect({ status: answer.status, body: await answer.json() }).toMatchObject({
        status,
        body: { errors: [{ code }] },
      })
      expect((await fixture.request('/api/v1/models/a')).status).toBe(404)
      expect((await fixture.request('/v2/a/manifests/1')).status).toBe(404)
    })
  }
})

describe('a model of another format', () => {
  const files = { 'model.safetensors': bytesOf('weights'), 'config.json': bytesOf({ layers: 2 }) }

  test('is stored as it is, and its version says that it is not scorable here', async () => {
    await using fixture = await openFixture()
    expect((await pushModel(fixture, 'a', '1', files, { 'selvedge.tag.team': 'risk' })).status).toBe(201)
    expect(await (await fixture.request('/api/v1/models/a/versions/1')).json()).toEqual({
      model: 'a',
      version: 1,
      manifest: digestOf(await modelManifest(fixture, 'a', files, { 'selvedge.tag.team': 'risk' })),
      sizeBytes: expect.any(Number),
      createdAt: expect.any(String),
      tags: { team: 'risk' },
      hasProfile: false,
      hasGolden: false,
      probe: { state: 'not-scorable', why: 'none of its files is an .onnx' },
    })
    const weights = await fixture.request(`/v2/a/blobs/${digestOf(files['model.safetensors'])}`)
    expect(await weights.text()).toBe('weights')
  })

  test('is not deployed: the refusal says what to do, and no endpoint is made', async () => {
    await using fixture = await openFixture()
    await pushModel(fixture, 'a', '1', files)
    const refused = await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version: 1 })
    expect({ status: refused.status, body: await refused.json() }).toMatchObject({
      status: 422,
      body: { type: 'FORMAT_NOT_SCORABLE', next: expect.stringContaining('ONNX') },
    })
    expect((await fixture.request('/api/v1/endpoints/e')).status).toBe(404)
  })

  test('has versions beside those that are scored', async () => {
    await using fixture = await openFixture()
    await pushModel(fixture, 'a', '1', files)
    await pushModel(fixture, 'a', '2')
    await fixture.restart()
    const deployed = await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version: 2 })
    expect(deployed.status).toBe(201)
    expect((await fixture.request('/', { headers: { accept: 'text/html' } })).status).toBe(200)
    expect((await fixture.request('/api/v1/models/a/versions/1', { method: 'DELETE' })).status).toBe(204)
  })
})

test('UP-20 no annotation changes the verdict on a model', async () => {
  await using fixture = await openFixture()
  const files = { ...linearFiles(), 'model.onnx': bytesOf('no network') }
  const words = fc.constantFrom(
    'is_prompt',
    'selvedge.tag.is_prompt',
    'selvedge.why',
    'skip-validation',
    'selvedge.tag.probe',
  )
  await fc.assert(
    fc.asyncProperty(fc.dictionary(words, fc.constantFrom('true', '1', '', 'passed')), async (annotations) => {
      expect((await pushModel(fixture, 'a', '1', files, annotations)).status).toBe(422)
    }),
    { numRuns: 20 },
  )
  expect((await fixture.request('/api/v1/models/a')).status).toBe(404)
})

test('UP-21 an archive is stored as it is: nothing of it is unpacked', async () => {
  await using fixture = await openFixture()
  const manifest = JSON.parse(Buffer.from(await modelManifest(fixture, 'a', linearFiles())).toString())
  const tar = new Uint8Array(1024)
  tar.set(bytesOf('../../canary'))
  await pushBlob(fixture, 'a', tar)
  manifest.layers.push({
    mediaType: 'application/vnd.cncf.model.doc.v1.tar',
    digest: digestOf(tar),
    size: tar.length,
    annotations: { 'org.cncf.model.filepath': 'docs.tar' },
  })
  expect((await putManifest(fixture, 'a', '1', bytesOf(manifest))).status).toBe(201)
  const names = readdirSync(fixture.dataDir, { recursive: true, encoding: 'utf8' })
  expect(names.filter((name) => name.includes('canary'))).toEqual([])
})
