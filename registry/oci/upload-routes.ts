/** Pushing blobs: OCI Distribution 1.1, "Pushing blobs", in one piece, in chunks or by a mount, and "Cancel a blob upload". */
import { randomUUID } from 'node:crypto'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { seesModel } from '../auth/scope.ts'
import { intactBlob } from '../blobs/held.ts'
import { streamBody } from '../http/body.ts'
import type { AppEnv, Services } from '../http/env.ts'
import type { BlobRecord, Upload, UploadState } from '../store/store.ts'
import { parseDigest, parseRepository } from './names.ts'
import { parseAnnounced, takeBody } from './upload-body.ts'

// By then one of those that are going on may be done.
const openRetryMs = 60_000
const busyRetryMs = 1000

const uploadPath = '/v2/:name{.+}/blobs/uploads/:upload'

type UploadContext = Context<AppEnv, typeof uploadPath>
type Session = Upload & UploadState

export function uploadRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { store } = services
  const busy = new Set<string>()

  // Two requests that wrote to one upload at once would mix their bytes; who comes second may try again.
  async function alone(c: UploadContext, use: (session: Session) => Promise<Response>): Promise<Response> {
    const { id } = await findSession(c, services)
    if (busy.has(id)) {
      throw new SelvedgeError('TOO_MANY_REQUESTS', 'another request sends to this upload', {
        retryAfterMs: busyRetryMs,
      })
    }
    busy.add(id)
    try {
      return await use(await findSession(c, services))
    } finally {
      busy.delete(id)
    }
  }

  for (const path of ['/v2/:name{.+}/blobs/uploads/', '/v2/:name{.+}/blobs/uploads'] as const) {
    app.post(path, async (c) => {
      const repository = parseRepository(c.req.param('name'))
      const digest = c.req.query('digest')
      if (digest !== undefined) {
        return await create(c, services, { repository }, parseDigest(digest), (digest) =>
          services.blobs.write(wholeBody(c), digest),
        )
      }
      const mounted = await mount(c, services, repository)
      if (mounted !== undefined) return mounted
      // A mount that cannot be done becomes an ordinary upload, as the specification has it.
      const upload = { id: randomUUID(), repository, token: c.get('caller')?.token }
      if (!(await store.repositories.openUpload(upload, timeOf(services), limits.openUploads))) {
        throw new SelvedgeError(
          'TOO_MANY_REQUESTS',
          `${limits.openUploads} uploads of this token are open: finish or cancel one`,
          { retryAfterMs: openRetryMs },
        )
      }
      return c.body(null, 202, uploadHeaders(upload, 0))
    })
  }
  app.patch(uploadPath, (c) =>
    alone(c, async (session) => c.body(null, 202, uploadHeaders(session, await append(c, services, session)))),
  )
  app.put(uploadPath, (c) =>
    alone(c, (session) =>
      create(c, services, session, parseDigest(c.req.query('digest')), (digest) =>
        finish(c, services, session, digest),
      ),
    ),
  )
  app.get(uploadPath, async (c) => {
    const session = await findSession(c, services)
    // What a broken line left on its way may still arrive: who waits for it sends none of it twice.
    if (busy.has(session.id)) c.header('retry-after', String(busyRetryMs / 1000))
    return c.body(null, 204, uploadHeaders(session, session.size))
  })
  app.delete(uploadPath, async (c) => {
    await drop(services, await findSession(c, services))
    return c.body(null, 204)
  })
}

// Who may push may read every repository: there is nothing here that the caller could not pull and push again.
async function mount(c: Context<AppEnv>, services: Services, repository: string): Promise<Response | undefined> {
  const { mount: digest, from } = c.req.query()
  if (digest === undefined || from === undefined) return undefined
  const source = parseRepository(from)
  if (!seesModel(c.get('caller'), source)) return undefined
  const found = await intactBlob(services, source, parseDigest(digest))
  if (found === undefined) return undefined
  if (!(await services.store.repositories.mountBlob(repository, source, digest, timeOf(services)))) return undefined
  return c.body(null, 201, createdHeaders(repository, digest))
}

async function findSession(c: UploadContext, { store }: Services): Promise<Session> {
  const repository = parseRepository(c.req.param('name'))
  const upload = { id: c.req.param('upload'), repository, token: c.get('caller')?.token }
  const state = await store.repositories.upload(upload)
  if (state !== undefined) return { ...upload, ...state }
  throw unknownUpload(repository)
}

/** The size after it. */
async function append(c: UploadContext, services: Services, session: Session): Promise<number> {
  const { length } = demandOrder(c, session)
  if (session.parts >= limits.uploadParts) {
    throw new SelvedgeError('BODY_TOO_LARGE', `this upload came in ${limits.uploadParts} parts: send larger ones`)
  }
  const { bytes, demandWhole } = takeBody(streamBody(c), length)
  const size = await services.blobs.append(session.id, session.size, bytes)
  if (!(await services.store.repositories.advanceUpload(session.id, session.size, size, timeOf(services)))) {
    // It was cancelled meanwhile.
    await services.blobs.discard(session.id)
    throw unknownUpload(session.repository)
  }
  demandWhole()
  return size
}

async function finish(c: UploadContext, services: Services, session: Session, digest: string): Promise<BlobRecord> {
  try {
    // The usual push: nothing came before, and nothing is kept for going on.
    if (session.size === 0) return await services.blobs.write(wholeBody(c, session), digest)
    const size = hasBody(c) ? await append(c, services, session) : session.size
    return await services.blobs.finish(session.id, size, digest)
  } catch (thrown) {
    // Bytes that are not those of their digest are of no use to anyone.
    if (thrown instanceof SelvedgeError && thrown.code === 'DIGEST_INVALID') await drop(services, session)
    throw thrown
  }
}

/** From the first byte to the row that knows the blob, nobody takes it for garbage. */
async function create(
  c: Context<AppEnv>,
  services: Services,
  into: Session | { repository: string },
  digest: string,
  receive: (digest: string) => Promise<BlobRecord>,
): Promise<Response> {
  await services.claims.bring(digest, async () => {
    const upload = 'id' in into ? into : undefined
    await services.store.repositories.addBlob(into.repository, await receive(digest), timeOf(services), upload)
  })
  return c.body(null, 201, createdHeaders(into.repository, digest))
}

function createdHeaders(repository: string, digest: string) {
  return { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest }
}

async function drop({ store, blobs }: Services, session: Session): Promise<void> {
  await store.repositories.closeUpload(session)
  await blobs.discard(session.id)
}

function wholeBody(c: Context<AppEnv>, session?: Session): AsyncIterable<Uint8Array> {
  const { length } = session === undefined ? announcedBy(c) : demandOrder(c, session)
  const bytes = streamBody(c)
  return length === undefined ? bytes : takeBody(bytes, length).bytes
}

function demandOrder(c: Context<AppEnv>, session: Session): { length: number | undefined } {
  const { start, length } = announcedBy(c)
  if (start === undefined || start === session.size) return { length }
  for (const [name, value] of Object.entries(uploadHeaders(session, session.size))) c.header(name, value)
  throw new SelvedgeError('BLOB_UPLOAD_INVALID', `the part starts at ${start}, the upload has ${session.size} bytes`)
}

function announcedBy(c: Context<AppEnv>) {
  return parseAnnounced(c.req.header('content-range'), c.req.header('content-length'))
}

function hasBody(c: Context<AppEnv>): boolean {
  return c.req.raw.body !== null && c.req.header('content-length') !== '0'
}

// An upload that has nothing says 0-0 too: the specification knows no other way.
function uploadHeaders({ id, repository }: Upload, size: number) {
  const range = `0-${Math.max(0, size - 1)}`
  return { location: `/v2/${repository}/blobs/uploads/${id}`, 'docker-upload-uuid': id, range }
}

function unknownUpload(repository: string): SelvedgeError {
  return new SelvedgeError('BLOB_UPLOAD_UNKNOWN', `repository ${repository} has no such upload`)
}

function timeOf({ now }: Services): string {
  return new Date(now()).toISOString()
}
