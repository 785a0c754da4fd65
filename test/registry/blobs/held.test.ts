/** Stored bytes that were changed behind the registry's back: no answer with them ever ends well. */
import { execFileSync } from 'node:child_process'
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { listen } from '../../../registry/listener.ts'
import {
  bytesOf,
  digestOf,
  linearDescription,
  linearFiles,
  modelManifest,
  openFixture,
  placeOf,
  pushBlob,
  pushModel,
  putManifest,
} from '../fixture.ts'

const hello = bytesOf('hello, blob')

describe('a blob whose file was changed behind the registry’s back', () => {
  test('BL-01 with one byte flipped is a clean error and stays one, until it is pushed again', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'a', hello)
    const place = placeOf(fixture, digestOf(hello))
    const bytes = readFileSync(place)
    bytes[3] = (bytes[3] ?? 0) ^ 1
    writeFileSync(place, bytes)
    for (const _ of [1, 2]) {
      const answer = await fixture.request(`/v2/a/blobs/${digestOf(hello)}`)
      expect({ status: answer.status, body: await answer.json() }).toMatchObject({
        status: 500,
        body: { errors: [{ code: 'BLOB_CORRUPT' }] },
      })
    }
    await pushBlob(fixture, 'a', hello)
    expect(await (await fixture.request(`/v2/a/blobs/${digestOf(hello)}`)).text()).toBe('hello, blob')
  })

  test('BL-01 in a later chunk breaks the answer off: it never ends cleanly', async () => {
    await using fixture = await openFixture()
    const large = new Uint8Array(9 * 1024 * 1024)
    await pushBlob(fixture, 'a', large)
    const place = placeOf(fixture, digestOf(large))
    const bytes = readFileSync(place)
    bytes[8 * 1024 * 1024 + 5] = 1
    writeFileSync(place, bytes)
    const listener = await listen(fixture.registry, '127.0.0.1', 0)
    try {
      const answer = await fetch(`${listener.url}/v2/a/blobs/${digestOf(large)}`)
      await expect(answer.arrayBuffer()).rejects.toThrow()
    } finally {
      await listener.close(0)
    }
  })

  test('cut short or gone is BLOB_CORRUPT', async () => {
    await using fixture = await openFixture()
    for (const change of [(place: string) => writeFileSync(place, 'hel'), (place: string) => rmSync(place)]) {
      await pushBlob(fixture, 'a', hello)
      change(placeOf(fixture, digestOf(hello)))
      expect((await fixture.request(`/v2/a/blobs/${digestOf(hello)}`)).status).toBe(500)
    }
  })

  test('BL-04 a symbolic link, a hard link, a folder or a FIFO in its place is refused', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'a', hello)
    const place = placeOf(fixture, digestOf(hello))
    const copy = join(dirname(place), 'copy')
    renameSync(place, copy)
    const plants = [
      () => symlinkSync(copy, place),
      () => linkSync(copy, place),
      () => mkdirSync(place),
      () => execFileSync('env', ['mkfifo', place]),
    ]
    for (const plant of plants) {
      plant()
      expect((await fixture.request(`/v2/a/blobs/${digestOf(hello)}`)).status).toBe(500)
      rmSync(place, { recursive: true })
    }
  })

  test('damaged in any way is unknown to HEAD and to a manifest, and whole once it is pushed again', async () => {
    await using fixture = await openFixture()
    const file = bytesOf(linearDescription)
    const manifest = await modelManifest(fixture, 'a', { ...linearFiles(), 'selvedge.json': file })
    expect((await putManifest(fixture, 'a', '1', manifest)).status).toBe(201)
    const path = `/v2/a/blobs/${digestOf(file)}`
    const place = placeOf(fixture, digestOf(file))
    const damages = [
      () => writeFileSync(place, 'hel'),
      () => rmSync(place),
      () => {
        rmSync(place)
        symlinkSync('/dev/zero', place)
      },
      () => {
        rmSync(place)
        mkdirSync(join(place, 'folder'), { recursive: true })
      },
    ]
    for (const damage of damages) {
      damage()
      expect((await fixture.request(path, { method: 'HEAD' })).status).toBe(404)
      const refused = await putManifest(fixture, 'a', '1', manifest)
      expect({ status: refused.status, body: await refused.json() }).toMatchObject({
        status: 404,
        body: { errors: [{ code: 'MANIFEST_BLOB_UNKNOWN' }] },
      })
      await pushBlob(fixture, 'a', file)
      expect((await fixture.request(path, { method: 'HEAD' })).status).toBe(200)
      expect((await putManifest(fixture, 'a', '1', manifest)).status).toBe(201)
      expect((await fixture.request('/v2/a/manifests/1')).status).toBe(200)
    }
  })

  test('that a manifest was the first to find corrupt is unknown from then on, and whole once it is pushed again', async () => {
    await using fixture = await openFixture()
    const file = bytesOf(linearDescription)
    const manifest = await modelManifest(fixture, 'a', { ...linearFiles(), 'selvedge.json': file })
    writeFileSync(placeOf(fixture, digestOf(file)), new Uint8Array(file.length))
    expect((await putManifest(fixture, 'a', '1', manifest)).status).toBe(500)
    expect((await fixture.request(`/v2/a/blobs/${digestOf(file)}`, { method: 'HEAD' })).status).toBe(404)
    expect((await putManifest(fixture, 'a', '1', manifest)).status).toBe(404)
    await pushBlob(fixture, 'a', file)
    expect((await putManifest(fixture, 'a', '1', manifest)).status).toBe(201)
  })
})

describe('BL-02 stored bytes that were', () => {
  test.each<[string, (place: string) => void]>([
    ['cut short', (place) => truncateSync(place, 3)],
    ['made longer', (place) => writeFileSync(place, 'more', { flag: 'a' })],
    ['replaced by a folder', (place) => [rmSync(place), mkdirSync(place)]],
    ['removed', (place) => rmSync(place)],
  ])('%s are an error of the registry, and other blobs and lists stay as they are', async (_, harm) => {
    await using fixture = await openFixture()
    await pushModel(fixture, 'a', '1')
    const harmed = bytesOf('harmed later')
    await pushBlob(fixture, 'a', harmed)
    harm(placeOf(fixture, digestOf(harmed)))
    expect((await fixture.request(`/v2/a/blobs/${digestOf(harmed)}`)).status).toBe(500)
    const { layers } = (await (await fixture.request('/v2/a/manifests/1')).json()) as { layers: { digest: string }[] }
    for (const { digest } of layers) expect((await fixture.request(`/v2/a/blobs/${digest}`)).status).toBe(200)
    expect(await (await fixture.request('/v2/a/tags/list')).json()).toEqual({ name: 'a', tags: ['1'] })
  })
})
