/** What names a manifest as its subject: OCI Distribution 1.1, "Listing Referrers". Never 404: who has none has an empty list. */
import type { OpenAPIHono } from '@hono/zod-openapi'
import { limits } from '../../runtime/limits.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { indexType } from './manifest.ts'
import { parseDigest, parseRepository } from './names.ts'

export function referrerRoutes(app: OpenAPIHono<AppEnv>, { store }: Services): void {
  app.get('/v2/:name{.+}/referrers/:digest', async (c) => {
    const repository = parseRepository(c.req.param('name'))
    const subject = parseDigest(c.req.param('digest'))
    const artifactType = c.req.query('artifactType')
    const last = c.req.query('last')
    const { referrers, more } = await store.repositories.referrers(repository, subject, {
      artifactType,
      after: last === undefined ? undefined : parseDigest(last),
      most: limits.pageSize,
      mostBytes: limits.manifestBytes,
    })
    if (artifactType !== undefined) c.header('oci-filters-applied', 'artifactType')
    const end = referrers.at(-1)
    if (more && end !== undefined) {
      const query = new URLSearchParams({ ...(artifactType !== undefined && { artifactType }), last: end.digest })
      c.header('link', `</v2/${repository}/referrers/${subject}?${query}>; rel="next"`)
    }
    const index = { schemaVersion: 2, mediaType: indexType, manifests: referrers }
    return c.body(JSON.stringify(index), 200, { 'content-type': indexType, 'cache-control': 'private, no-cache' })
  })
}
