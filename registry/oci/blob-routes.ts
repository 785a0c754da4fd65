/** Pulling and deleting blobs: OCI Distribution 1.1, "Pulling blobs" and "Deleting Blobs". */
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { limits } from '../../runtime/limits.ts'
import { mayCall } from '../auth/policy.ts'
import { readChecked, readInTurn } from '../blobs/checked.ts'
import { findBlob, intactBlob, readBlob, unknownBlob } from '../blobs/held.ts'
import { blobKeptMs } from '../garbage/collect.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { answerPieces } from '../http/socket.ts'
import { removalOf } from '../models/holders.ts'
import type { BlobRecord, HeldBlob } from '../store/store.ts'
import { parseDigest, parseRepository } from './names.ts'
import { parseRange } from './range.ts'

export function blobRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  app.get('/v2/:name{.+}/blobs/:digest', async (c) => {
    const name = parseRepository(c.req.param('name'))
    const digest = parseDigest(c.req.param('digest'))
    // A page gets what its plans name and cannot tell the rest from what does not exist.
    if (c.get('caller')?.role === 'page' && !(await services.plans.names(name, digest))) throw unknownBlob(name, digest)
    const record =
      c.req.method === 'HEAD' ? await intactBlob(services, name, digest) : await findBlob(services, name, digest)
    if (record === undefined || !(await promise(c, services, name, record))) throw unknownBlob(name, digest)
    return await answer(c, services, record)
  })
  app.delete('/v2/:name{.+}/blobs/:digest', async (c) => {
    const name = parseRepository(c.req.param('name'))
    const digest = parseDigest(c.req.param('digest'))
    const removed = await services.store.repositories.removeBlob(name, digest, removalOf(services, `blob ${digest}`, c))
    if (!removed) throw unknownBlob(name, digest)
    return c.body(null, 202)
  })
}

// A client that may push leaves out a blob that HEAD tells it of: it stays for as long as one that was pushed.
async function promise(c: Context<AppEnv>, { store, now }: Services, name: string, blob: HeldBlob): Promise<boolean> {
  const caller = c.get('caller')
  if (c.req.method !== 'HEAD' || caller === undefined || !mayCall(caller.role, 'writer')) return true
  if (now() - Date.parse(blob.pinnedAt) < blobKeptMs / 2) return true
  return await store.repositories.pinBlob(name, blob.digest, new Date(now()).toISOString())
}

async function answer(c: Context<AppEnv>, services: Services, record: BlobRecord): Promise<Response> {
  const { digest, size } = record
  const etag = `"${digest}"`
  const common = {
    etag,
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=31536000, immutable',
    'content-security-policy': 'sandbox',
    'content-disposition': 'attachment',
  }
  if (c.req.header('if-none-match')?.includes(etag)) return c.body(null, 304, common)
  const ifRange = c.req.header('if-range')
  const range = ifRange === undefined || ifRange === etag ? parseRange(c.req.header('range'), size) : undefined
  if (range === 'unsatisfiable') return c.body(null, 416, { ...common, 'content-range': `bytes */${size}` })
  const { start, end } = range ?? { start: 0, end: size }
  const headers = {
    ...common,
    'content-type': 'application/octet-stream',
    'content-length': String(end - start),
    ...(range && { 'content-range': `bytes ${start}-${end - 1}/${size}` }),
  }
  const status = range ? 206 : 200
  if (c.req.method === 'HEAD') return c.body(null, status, headers)
  // A stream of the platform's would ask for more pieces than two.
  const isLarge = c.env?.outgoing !== undefined && end - start > limits.chunkBytes
  const parts = readBlob(services, record, start, end, isLarge ? readInTurn : readChecked)
  // The first chunk is proven before the status is sent, so that most corruption is a clean 500.
  const first = await parts.next()
  const bytes = first.done ? new Uint8Array() : first.value
  if (bytes.length === end - start) {
    await parts.return(undefined)
    return c.body(new Uint8Array(bytes), status, headers)
  }
  return await answerPieces(c, status, headers, following(bytes, parts), (thrown) =>
    services.log({ level: 'error', event: 'answer broken off', path: c.req.path, cause: String(thrown) }),
  )
}

async function* following(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield first
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}
