/** What a client does to a registry, what it was told of it, and what must then be true whatever happened in between. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { bytesOf, digestOf, linearDescription, linearModel } from '../fixture.ts'

type Bytes = Uint8Array<ArrayBuffer>

export interface Answer {
  status: number
  headers: Headers
  bytes: Bytes
}

export type Send = (method: string, path: string, body?: Bytes, headers?: Record<string, string>) => Promise<Answer>

/** What was acknowledged, and what was asked for last and may or may not have happened. */
export interface Told {
  blobs: Map<string, Bytes>
  /** An upload whose blob is not acknowledged. */
  upload?: { location: string; size: number } | undefined
  versions: Map<number, string>
  alias: { now?: number; maybe?: number }
  blue: { now?: number; maybe?: number }
}

export interface Workload {
  /** Runs to the end or throws when the registry is gone; `told` is right at every moment. */
  run(send: Send, told: Told): Promise<void>
  /** After the registry was started again: nothing told is lost, nothing is half visible, and all can be done again. */
  check(send: Send, told: Told): Promise<void>
}

/** The registry said that it could not do it, so nothing was acknowledged. */
export class Refused extends Error {}

export function newTold(): Told {
  return { blobs: new Map(), versions: new Map(), alias: {}, blue: {} }
}

/** @param seed - decides where the upload is cut and how large it is */
export function workloadOf(seed: number): Workload {
  const large = new Uint8Array(40_000 + (seed % 7) * 30_000).map((_, i) => (i * 13 + seed) & 0xff)
  const cuts = [0, Math.floor(large.length * (0.1 + (seed % 5) * 0.1)), Math.floor(large.length * 0.7), large.length]
  const description = bytesOf(linearDescription)
  const config = bytesOf({ seed })
  const networks = [linearModel([seed, 1]), linearModel([seed, 2])] as const
  const manifests = networks.map((network) =>
    manifestOf(config, { 'model.onnx': network, 'selvedge.json': description, large }),
  )
  const splits = [100, 50]

  async function upload(send: Send, told: Told): Promise<void> {
    const digest = digestOf(large)
    if (told.blobs.has(digest)) return
    const started = await demand(send, 202, 'POST', '/v2/m/blobs/uploads/')
    told.upload = { location: started.headers.get('location') ?? '', size: 0 }
    await resume(send, told, cuts.slice(1))
  }

  async function resume(send: Send, told: Told, ends: number[]): Promise<void> {
    if (told.upload === undefined) return
    const { location } = told.upload
    for (const end of ends) {
      const { size } = told.upload
      await demand(send, 202, 'PATCH', location, large.slice(size, end), { 'content-range': `${size}-${end - 1}` })
      told.upload.size = end
    }
    await demand(send, 201, 'PUT', `${location}?digest=${digestOf(large)}`)
    told.blobs.set(digestOf(large), large)
    told.upload = undefined
  }

  async function push(send: Send, told: Told, bytes: Bytes): Promise<void> {
    await demand(send, 201, 'POST', `/v2/m/blobs/uploads/?digest=${digestOf(bytes)}`, bytes)
    told.blobs.set(digestOf(bytes), bytes)
  }

  async function move(send: Send, told: Told, version: number): Promise<void> {
    told.alias.maybe = version
    await putManifest(send, 'champion', manifests[version - 1])
    told.alias = { now: version }
  }

  async function split(send: Send, told: Told, percent: number): Promise<void> {
    const path = '/api/v1/endpoints/e/traffic'
    const { headers } = await demand(send, 200, 'GET', path)
    told.blue.maybe = percent
    const body = bytesOf({ split: { blue: percent, green: 100 - percent } })
    await demand(send, 200, 'PUT', path, body, { ...json, 'if-match': headers.get('etag') ?? '' })
    told.blue = { now: percent }
  }

  async function run(send: Send, told: Told): Promise<void> {
    await upload(send, told)
    for (const bytes of [config, description, ...networks]) await push(send, told, bytes)
    for (const [i, manifest] of manifests.entries()) {
      await putManifest(send, String(i + 1), manifest)
      told.versions.set(i + 1, digestOf(manifest))
    }
    for (const version of [1, 2]) await move(send, told, version)
    for (const [name, version] of [
      ['blue', 1],
      ['green', 2],
    ] as const) {
      const path = `/api/v1/endpoints/e/deployments/${name}`
      const put = await send('PUT', path, bytesOf({ model: 'm', version }), json)
      if (put.status >= 500) throw new Refused(`deployment ${name}: ${put.status}`)
      assert.ok(put.status === 201 || put.status === 200, `deployment ${name}: ${put.status}`)
    }
    for (const percent of splits) await split(send, told, percent)
  }

  async function check(send: Send, told: Told): Promise<void> {
    for (const [digest, bytes] of told.blobs) {
      const { bytes: got } = await demand(send, 200, 'GET', `/v2/m/blobs/${digest}`)
      assert.equal(digestOf(got), digestOf(bytes))
    }
    await checkUpload(send, told)
    for (const [version, digest] of told.versions) {
      const { bytes } = await demand(send, 200, 'GET', `/v2/m/manifests/${version}`)
      assert.equal(digestOf(bytes), digest, `version ${version}`)
    }
    await checkVisible(send)
    await checkAlias(send, told)
    await checkSplit(send, told)
    await run(send, told)
    await checkVisible(send)
    assert.deepEqual(told.alias, { now: 2 })
    await checkAlias(send, told)
    await checkSplit(send, told)
  }

  async function checkUpload(send: Send, told: Told): Promise<void> {
    if (told.upload === undefined) return
    const { location, size } = told.upload
    const status = await send('GET', location)
    if (status.status === 404) {
      // Its blob stands, though nobody was told.
      await demand(send, 200, 'GET', `/v2/m/blobs/${digestOf(large)}`)
      told.upload = undefined
      return
    }
    const [, last = ''] = /^0-(\d+)$/.exec(status.headers.get('range') ?? '') ?? []
    const durable = last === '0' ? 0 : Number(last) + 1
    assert.ok(durable >= size, `upload: told of ${size} bytes, ${durable} are there`)
    told.upload.size = durable
    await resume(send, told, durable === large.length ? [] : [large.length])
  }

  async function checkAlias(send: Send, { alias }: Told): Promise<void> {
    const found = await send('GET', '/v2/m/manifests/champion')
    const version = found.status === 404 ? undefined : manifests.map(digestOf).indexOf(digestOf(found.bytes)) + 1
    assert.ok(version === alias.now || version === alias.maybe, `alias: ${version}, told ${JSON.stringify(alias)}`)
  }

  async function checkSplit(send: Send, { blue }: Told): Promise<void> {
    const found = await send('GET', '/api/v1/endpoints/e/traffic')
    if (found.status === 404) return assert.deepEqual(blue, {})
    const split = parse<{ split: { blue?: number } }>(found).split.blue
    const may = [blue.now, blue.maybe, ...(blue.now === undefined ? [undefined, 100] : [])]
    assert.ok(may.includes(split), `traffic: blue has ${split}, told ${JSON.stringify(blue)}`)
  }

  return { run, check }
}

/** Every version that is listed can be pulled whole, and every plan names only what is there. */
async function checkVisible(send: Send): Promise<void> {
  const list = await send('GET', '/api/v1/models/m/versions')
  const { items = [] } = list.status === 404 ? {} : parse<{ items: { version: number; manifest: string }[] }>(list)
  for (const { version, manifest } of items) {
    const got = await demand(send, 200, 'GET', `/v2/m/manifests/${version}`)
    assert.equal(digestOf(got.bytes), manifest)
    const { config, layers } = parse<{ config: { digest: string }; layers: { digest: string }[] }>(got)
    for (const { digest } of [config, ...layers]) {
      assert.equal(digestOf((await demand(send, 200, 'GET', `/v2/m/blobs/${digest}`)).bytes), digest)
    }
  }
  const plan = await send('GET', '/api/v1/endpoints/e/plan')
  if (plan.status === 404) return
  const [, payload = ''] = new TextDecoder().decode(plan.bytes).split('.')
  const { deployments } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as {
    deployments: { description: string; variants: { files: { digest: string }[] }[] }[]
  }
  for (const { description, variants } of deployments) {
    const files = variants.flatMap((variant) => variant.files.map(({ digest }) => digest))
    for (const digest of [description, ...files]) await demand(send, 200, 'GET', `/v2/m/blobs/${digest}`)
  }
}

/** After a collection: every file of a blob has a row and every row a file, and the database is sound. */
export function checkFolder(dataDir: string): void {
  const database = new DatabaseSync(join(dataDir, 'registry.db'), { readOnly: true })
  try {
    assert.deepEqual(
      database
        .prepare('PRAGMA integrity_check')
        .all()
        .map((row) => ({ ...row })),
      [{ integrity_check: 'ok' }],
    )
    assert.deepEqual(database.prepare('PRAGMA foreign_key_check').all(), [])
    const names = (table: string, column: string) =>
      database
        .prepare(`SELECT ${column} AS name FROM ${table}`)
        .all()
        .map(({ name }) => String(name))
    assert.deepEqual(filesIn(dataDir, 'sha256'), names('blobs', 'substr(digest, 8)').sort())
    const open = new Set(names('uploads', 'id'))
    for (const upload of filesIn(dataDir, 'uploads')) assert.ok(open.has(upload), `bytes of no upload: ${upload}`)
    assert.deepEqual(filesIn(dataDir, 'incoming'), [])
  } finally {
    database.close()
  }
}

const json = { 'content-type': 'application/json' }

async function demand(send: Send, status: number, ...request: Parameters<Send>): Promise<Answer> {
  const answer = await send(...request)
  if (answer.status >= 500) throw new Refused(`${request[0]} ${request[1]}: ${answer.status}`)
  assert.equal(
    answer.status,
    status,
    `${request[0]} ${request[1]}: ${new TextDecoder().decode(answer.bytes).slice(0, 300)}`,
  )
  return answer
}

async function putManifest(send: Send, reference: string, manifest: Bytes | undefined): Promise<void> {
  const type = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
  await demand(send, 201, 'PUT', `/v2/m/manifests/${reference}`, manifest, type)
}

function manifestOf(config: Bytes, files: Record<string, Bytes>): Bytes {
  const descriptor = (mediaType: string, bytes: Bytes) => ({ mediaType, digest: digestOf(bytes), size: bytes.length })
  return bytesOf({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: 'application/vnd.cncf.model.manifest.v1+json',
    config: descriptor('application/vnd.cncf.model.config.v1+json', config),
    layers: Object.entries(files).map(([path, bytes]) => ({
      ...descriptor('application/vnd.cncf.model.weight.v1.raw', bytes),
      annotations: { 'org.cncf.model.filepath': path },
    })),
  })
}

function parse<T>({ bytes }: Answer): T {
  return JSON.parse(new TextDecoder().decode(bytes)) as T
}

function filesIn(dataDir: string, folder: string): string[] {
  const entries = readdirSync(join(dataDir, 'blobs', folder), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort()
}
