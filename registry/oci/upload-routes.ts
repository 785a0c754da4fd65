/** Pushing blobs in one piece: OCI Distribution 1.1, "Pushing a blob monolithically", by POST and PUT or by one POST. */
import { randomUUID } from 'node:crypto'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { streamBody } from '../http/body.ts'
import type { AppEnv, Services } from '../http/env.ts'
import type { Upload } from '../store/store.ts'
import { parseDigest, parseRepository } from './names.ts'

// By then one of those that are going on may be done.
const retryAfterMs = 60_000

const uploadPath = '/v2/:name{.+}/blobs/uploads/:upload'

export function uploadRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { store, now } = services

  for (const path of ['/v2/:name{.+}/blobs/uploads/', '/v2/:name{.+}/blobs/uploads'] as const) {
    app.post(path, async (c) => {
      const repository = parseRepository(c.req.param('name'))
      const digest = c.req.query('digest')
      if (digest !== undefined) return await receive(c, services, repository, parseDigest(digest))
      // A mount that cannot be done becomes an ordinary upload, as the specification has it.
      const upload = { id: randomUUID(), repository, token: c.get('caller')?.token }
      if (!(await store.repositories.openUpload(upload, new Date(now()).toISOString(), limits.openUploads))) {
        throw new SelvedgeError(
          'TOO_MANY_REQUESTS',
          `${limits.openUploads} uploads of this token are open: finish or cancel one`,
          { retryAfterMs },
        )
      }
      return c.body(null, 202, uploadHeaders(upload))
    })
  }
  app.put(uploadPath, async (c) => {
    const upload = await findUpload(c, services)
    const digest = parseDigest(c.req.query('digest'))
    const answer = await receive(c, services, upload.repository, digest)
    await store.repositories.closeUpload(upload)
    return answer
  })
  app.get(uploadPath, async (c) => c.body(null, 204, uploadHeaders(await findUpload(c, services))))
  app.delete(uploadPath, async (c) => {
    await store.repositories.closeUpload(await findUpload(c, services))
    return c.body(null, 204)
  })
  app.patch(uploadPath, () => {
    throw new SelvedgeError('UNSUPPORTED', 'blobs are not taken in chunks: send the whole blob with PUT')
  })
}

async function receive(c: Context<AppEnv>, services: Services, repository: string, digest: string): Promise<Response> {
  const { store, blobs, now } = services
  const record = await blobs.write(streamBody(c), digest)
  await store.repositories.addBlob(repository, record, new Date(now()).toISOString())
  return c.body(null, 201, {
    location: `/v2/${repository}/blobs/${digest}`,
    'docker-content-digest': digest,
  })
}

async function findUpload(c: Context<AppEnv, typeof uploadPath>, { store }: Services): Promise<Upload> {
  const repository = parseRepository(c.req.param('name'))
  const upload = { id: c.req.param('upload'), repository, token: c.get('caller')?.token }
  if (await store.repositories.hasUpload(upload)) return upload
  throw new SelvedgeError('BLOB_UPLOAD_UNKNOWN', `repository ${repository} has no such upload`)
}

function uploadHeaders({ id, repository }: Upload) {
  return { location: `/v2/${repository}/blobs/uploads/${id}`, 'docker-upload-uuid': id, range: '0-0' }
}
