/** Pulling, pushing and deleting manifests, listing tags: OCI Distribution 1.1. A model's manifest registers a version. */
import { createHash } from 'node:crypto'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { intactBlob } from '../blobs/held.ts'
import { readBody } from '../http/body.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { removalOf } from '../models/holders.ts'
import { registerVersion } from '../models/register.ts'
import type { NewManifest } from '../store/store.ts'
import { type Manifest, parseManifest } from './manifest.ts'
import { isModelName, parseReference, parseRepository, parseTarget } from './names.ts'

const manifestPath = '/v2/:name{.+}/manifests/:reference'

export function manifestRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { store } = services

  app.get(manifestPath, async (c) => {
    const repository = parseRepository(c.req.param('name'))
    const reference = parseReference(c.req.param('reference'))
    const manifest = await store.repositories.manifest(repository, reference)
    if (manifest === undefined) throw unknownManifest(repository, c.req.param('reference'))
    const headers = {
      'content-type': manifest.mediaType,
      'docker-content-digest': manifest.digest,
      etag: `"${manifest.digest}"`,
      'content-length': String(manifest.bytes.length),
      'cache-control': 'private, no-cache',
    }
    if (c.req.method === 'HEAD') return c.body(null, 200, headers)
    return c.body(new Uint8Array(manifest.bytes), 200, headers)
  })

  app.put(manifestPath, async (c) => {
    const repository = parseRepository(c.req.param('name'))
    const reference = parseReference(c.req.param('reference'))
    const bytes = await readBody(c, limits.manifestBytes)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    if ('digest' in reference && reference.digest !== digest) {
      throw new SelvedgeError('DIGEST_INVALID', `the manifest sent has the digest ${digest}`)
    }
    const manifest = parseManifest(bytes, c.req.header('content-type'))
    const parts = await findParts(services, repository, manifest)
    const { mediaType, subject, artifactType, annotations } = manifest
    const record = { digest, mediaType, bytes, ...parts, subject, artifactType, annotations }
    return await put(c, services, repository, reference, manifest, record)
  })

  app.delete(manifestPath, async (c) => {
    const repository = parseRepository(c.req.param('name'))
    const text = c.req.param('reference')
    const removal = removalOf(services, `${repository} ${text}`, c)
    const removed = await store.repositories.removeManifest(repository, parseReference(text), removal)
    if (!removed) throw unknownManifest(repository, text)
    services.log({ level: 'info', event: 'manifest deleted', repository, reference: text })
    return c.body(null, 202)
  })

  app.get('/v2/:name{.+}/tags/list', async (c) => {
    const repository = parseRepository(c.req.param('name'))
    const limit = parseCount(c.req.query('n'))
    const last = c.req.query('last')
    const tags = await store.repositories.tags(repository, { last, limit: limit + 1 })
    if (tags === undefined) throw new SelvedgeError('NAME_UNKNOWN', `there is no repository ${repository}`)
    const page = tags.slice(0, limit)
    const next = page.at(-1)
    if (tags.length > limit && next !== undefined) {
      c.header('link', `</v2/${repository}/tags/list?n=${limit}&last=${encodeURIComponent(next)}>; rel="next"`)
    }
    return c.json({ name: repository, tags: page })
  })
}

async function put(
  c: Context<AppEnv>,
  services: Services,
  repository: string,
  reference: { digest: string } | { tag: string },
  manifest: Manifest,
  record: NewManifest,
): Promise<Response> {
  const { store, now } = services
  const at = new Date(now()).toISOString()
  c.header('location', `/v2/${repository}/manifests/${record.digest}`)
  c.header('docker-content-digest', record.digest)
  if (manifest.subject !== undefined) c.header('oci-subject', manifest.subject)
  const { model } = manifest
  if (model !== undefined && isModelName(repository) && 'tag' in reference) {
    const target = parseTarget(reference.tag)
    const by = c.get('caller')?.token
    const version = await registerVersion(services, { model: repository, target, manifest: model, record, now: at, by })
    c.header('selvedge-version', String(version))
  } else {
    const tag = 'tag' in reference ? reference.tag : undefined
    if (tag !== undefined && isModelName(repository)) await demandFreeNumber(services, repository, tag)
    await store.repositories.addManifest(repository, record, tag, at)
  }
  return c.body(null, 201)
}

// The same answer for a blob that is nowhere, for one that only another repository holds and for one that is damaged.
async function findParts(
  services: Services,
  repository: string,
  { blobs, children, mentioned }: Manifest,
): Promise<{ blobs: string[]; children: string[] }> {
  const { repositories } = services.store
  for (const { digest } of children) {
    if ((await repositories.manifest(repository, { digest })) === undefined) throw missingPart(repository, digest)
  }
  for (const { digest, size } of blobs) {
    const found = await intactBlob(services, repository, digest)
    if (found === undefined) throw missingPart(repository, digest)
    if (found.size === size) continue
    throw new SelvedgeError('MANIFEST_INVALID', `the manifest gives ${digest} ${size} bytes, it has ${found.size}`)
  }
  const parts = { blobs: blobs.map(({ digest }) => digest), children: children.map(({ digest }) => digest) }
  for (const digest of mentioned) {
    if ((await repositories.blob(repository, digest)) !== undefined) parts.blobs.push(digest)
    if ((await repositories.manifest(repository, { digest })) !== undefined) parts.children.push(digest)
  }
  return parts
}

async function demandFreeNumber({ store }: Services, repository: string, tag: string): Promise<void> {
  const target = /^[0-9]+$/.test(tag) ? parseTarget(tag) : undefined
  if (target === undefined || !('version' in target)) return
  if ((await store.models.version(repository, target.version)) === undefined) return
  throw new SelvedgeError('DENIED', `${repository}: version ${tag} is a model, and versions are immutable`)
}

function parseCount(text: string | undefined): number {
  if (text === undefined) return limits.pageSize
  if (/^\d{1,9}$/.test(text)) return Math.min(Number(text), limits.pageSize)
  throw new SelvedgeError('INVALID_REQUEST', `query n: got "${text.slice(0, 20)}", want a number of tags`)
}

function missingPart(repository: string, digest: string): SelvedgeError {
  return new SelvedgeError('MANIFEST_BLOB_UNKNOWN', `repository ${repository} does not hold ${digest}`, { digest })
}

function unknownManifest(repository: string, reference: string): SelvedgeError {
  return new SelvedgeError('MANIFEST_UNKNOWN', `repository ${repository} has no manifest ${reference}`)
}
