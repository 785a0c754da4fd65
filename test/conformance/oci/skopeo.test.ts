/** Debian's `skopeo`, and its `docker-registry` as the other side: what other tools make of what this registry says. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { linearDescription, linearModel } from '../../registry/fixture.ts'
import { imageType, indexType } from './forms.ts'
import {
  type Bytes,
  blobOf,
  bytesOf,
  type Client,
  describeBytes,
  digestOf,
  openClient,
  pushBlob,
  textOf,
} from './registry.ts'

const isThere = (command: string) => spawnSync(command, ['--version']).status === 0
const withSkopeo = isThere('skopeo')
const withDocker = withSkopeo && isThere('docker-registry')

let folder: string
let one: Client
let two: Client

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-skopeo-'))
  one = await openClient()
  two = await openClient()
})

afterAll(async () => {
  await one[Symbol.asyncDispose]()
  await two[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** @param args - a first one of `copy` gets what every copy here needs */
async function skopeo(...args: string[]): Promise<string> {
  const [command = '', ...rest] = args
  const plain = command === 'copy' ? ['--src-tls-verify=false', '--dest-tls-verify=false'] : ['--tls-verify=false']
  const options = {
    env: { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder, REGISTRY_AUTH_FILE: join(folder, 'auth') },
  }
  const all = ['--insecure-policy', '--tmpdir', folder, command, ...plain, ...rest]
  return (await promisify(execFile)('skopeo', all, options)).stdout
}

function at({ url }: Pick<Client, 'url'>, name: string): string {
  return `docker://${new URL(url).host}/${name}`
}

async function manifestOf(client: Pick<Client, 'url'>, repository: string, reference: string): Promise<string> {
  const accept = [imageType, indexType, 'application/vnd.docker.distribution.manifest.v2+json'].join(', ')
  const answer = await fetch(`${client.url}/v2/${repository}/manifests/${reference}`, { headers: { accept } })
  return `${answer.status} ${answer.headers.get('content-type')} ${await answer.text()}`
}

/** An image layout with two platforms under one index. */
function writeLayout(): { path: string; index: Bytes } {
  const path = join(folder, 'layout')
  mkdirSync(join(path, 'blobs', 'sha256'), { recursive: true })
  const put = (mediaType: string, bytes: Bytes) => {
    writeFileSync(join(path, 'blobs', digestOf(bytes).replace(':', '/')), bytes)
    return describeBytes(mediaType, bytes)
  }
  const image = (architecture: string, seed: number) => {
    const content = blobOf(seed, 100_000)
    const layer = put('application/vnd.oci.image.layer.v1.tar+gzip', new Uint8Array(gzipSync(content)))
    const rootfs = { type: 'layers', diff_ids: [digestOf(content)] }
    const config = put('application/vnd.oci.image.config.v1+json', bytesOf({ architecture, os: 'linux', rootfs }))
    const manifest = bytesOf({ schemaVersion: 2, mediaType: imageType, config, layers: [layer] })
    return { ...put(imageType, manifest), platform: { architecture, os: 'linux' } }
  }
  const index = bytesOf({ schemaVersion: 2, mediaType: indexType, manifests: [image('amd64', 1), image('arm64', 2)] })
  writeFileSync(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const entry = { ...put(indexType, index), annotations: { 'org.opencontainers.image.ref.name': 'latest' } }
  writeFileSync(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  return { path, index }
}

async function pushModel(client: Client): Promise<Bytes> {
  const config = bytesOf({ descriptor: { name: 'm' } })
  await pushBlob(client, 'm', config)
  const layers = []
  for (const [path, bytes] of [
    ['model.onnx', linearModel([1, 2])],
    ['selvedge.json', bytesOf(linearDescription)],
  ] as const) {
    await pushBlob(client, 'm', bytes)
    const annotations = { 'org.cncf.model.filepath': path }
    layers.push({ ...describeBytes('application/vnd.cncf.model.weight.v1.raw', bytes), annotations })
  }
  const manifest = bytesOf({
    schemaVersion: 2,
    mediaType: imageType,
    artifactType: 'application/vnd.cncf.model.manifest.v1+json',
    config: describeBytes('application/vnd.cncf.model.config.v1+json', config),
    layers,
  })
  const put = await client.call('PUT', '/v2/m/manifests/1', manifest, { 'content-type': imageType })
  expect([put.status, put.headers.get('selvedge-version')]).toEqual([201, '1'])
  return manifest
}

async function startDocker(): Promise<{ url: string; child: ChildProcess }> {
  const file = join(folder, 'docker.yml')
  const root = join(folder, 'docker')
  writeFileSync(
    file,
    JSON.stringify({ version: '0.1', storage: { filesystem: { rootdirectory: root } }, http: { addr: '127.0.0.1:0' } }),
  )
  const child = spawn('docker-registry', ['serve', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  const address = await new Promise<string>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      const listening = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1]
      if (listening !== undefined) resolve(listening)
    })
    child.once('exit', () => reject(new Error('docker-registry did not start')))
  })
  return { url: `http://${address}`, child }
}

describe.skipIf(!withSkopeo)('skopeo', () => {
  test('copies an image for two platforms in, between two registries and out, byte for byte', async () => {
    const { path, index } = writeLayout()
    await skopeo('copy', '--all', `oci:${path}:latest`, at(one, 'team/image:latest'))
    await skopeo('copy', '--all', at(one, 'team/image:latest'), at(two, 'mirror/image:v1'))
    const wanted = `200 ${indexType} ${textOf(index)}`
    expect(await manifestOf(one, 'team/image', 'latest')).toBe(wanted)
    expect(await manifestOf(two, 'mirror/image', 'v1')).toBe(wanted)
    const out = join(folder, 'out')
    await skopeo('copy', '--all', '--preserve-digests', at(two, 'mirror/image:v1'), `oci:${out}:latest`)
    expect(JSON.parse(await skopeo('inspect', '--raw', `oci:${out}:latest`))).toEqual(JSON.parse(textOf(index)))
    expect(JSON.parse(await skopeo('list-tags', at(two, 'mirror/image')))).toMatchObject({ Tags: ['v1'] })
  })

  test('copies an image in Docker’s own form between two registries, byte for byte', async () => {
    const { path } = writeLayout()
    await skopeo('copy', '--format', 'v2s2', `oci:${path}:latest`, at(one, 'team/docker:latest'))
    await skopeo('copy', '--preserve-digests', at(one, 'team/docker:latest'), at(two, 'team/docker:latest'))
    const manifest = await manifestOf(one, 'team/docker', 'latest')
    expect(manifest).toMatch(/^200 application\/vnd\.docker\.distribution\.manifest\.v2\+json /)
    expect(await manifestOf(two, 'team/docker', 'latest')).toBe(manifest)
  })

  test('copies a model between two registries, where it is version 1 again', async () => {
    const manifest = await pushModel(one)
    await skopeo('copy', at(one, 'm:1'), at(two, 'm:1'))
    expect(await manifestOf(two, 'm', '1')).toBe(`200 ${imageType} ${textOf(manifest)}`)
    const version = await fetch(`${two.url}/api/v1/models/m/versions/1`)
    expect(await version.json()).toMatchObject({ version: 1, manifest: digestOf(manifest) })
  })

  test('deletes an image', async () => {
    const { path } = writeLayout()
    await skopeo('copy', `oci:${path}:latest`, at(one, 'team/gone:latest'))
    await skopeo('delete', at(one, 'team/gone:latest'))
    expect(await manifestOf(one, 'team/gone', 'latest')).toMatch(/^404 /)
  })

  test('logs in with a token as the password, and not with another', async () => {
    await using closed = await openClient()
    const made = await fetch(`${closed.url}/api/v1/tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ role: 'writer' }),
    })
    const { secret } = (await made.json()) as { secret: string }
    const { host } = new URL(closed.url)
    await expect(skopeo('login', '--username', 'any', '--password', 'sv_writer_wrong', host)).rejects.toThrow()
    await skopeo('login', '--username', 'any', '--password', secret, host)
    const { path } = writeLayout()
    await skopeo('copy', `oci:${path}:latest`, at(closed, 'team/image:latest'))
    expect(JSON.parse(await skopeo('list-tags', at(closed, 'team/image')))).toMatchObject({ Tags: ['latest'] })
  })

  test.skipIf(!withDocker)('copies an image and a model to docker-registry and back, byte for byte', async () => {
    const { path } = writeLayout()
    const docker = await startDocker()
    try {
      await skopeo('copy', '--all', `oci:${path}:latest`, at(one, 'team/there:latest'))
      const model = await pushModel(two)
      for (const [from, name, back] of [
        [one, 'team/there', 'team/back'],
        [two, 'm', 'back'],
      ] as const) {
        const tag = name === 'm' ? '1' : 'latest'
        await skopeo('copy', '--all', '--preserve-digests', at(from, `${name}:${tag}`), at(docker, `${name}:${tag}`))
        const wanted = await manifestOf(from, name, tag)
        expect(await manifestOf(docker, name, tag)).toBe(wanted)
        await skopeo('copy', '--all', '--preserve-digests', at(docker, `${name}:${tag}`), at(one, `${back}:${tag}`))
        expect(await manifestOf(one, back, tag)).toBe(wanted)
      }
      const version = await fetch(`${one.url}/api/v1/models/back/versions/1`)
      expect(await version.json()).toMatchObject({ manifest: digestOf(model) })
    } finally {
      docker.child.kill('SIGKILL')
    }
  })
})
