/** What was counted and judged, as Parquet for Power BI, DuckDB and pandas. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { name, timestamp } from '../../runtime/contract/names.ts'
import { findEndpoint } from '../endpoints/routes.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { answerPieces } from '../http/socket.ts'
import type { EndpointState } from '../store/store.ts'
import { dayMs } from '../telemetry/fold.ts'
import { driftRows, driftTable } from './drift.ts'
import { exposureRows, exposureTable } from './exposures.ts'
import { encodeParquet } from './parquet.ts'
import { profileRows, profileTable } from './profiles.ts'

const defaultDays = 30
const mediaType = 'application/vnd.apache.parquet'

const get = createRoute({
  method: 'get',
  path: '/api/v1/endpoints/{endpoint}/export.parquet',
  summary: 'Profiles, looks of monitors or exposures as a Parquet file, whose metadata says what each column is',
  request: {
    params: z.object({ endpoint: name }),
    query: z.strictObject({
      kind: z.enum(['profiles', 'drift', 'exposures']),
      since: timestamp.optional().openapi({ description: `default: ${defaultDays} days ago` }),
      until: timestamp.optional().openapi({ description: 'excluded; default: now' }),
    }),
  },
  responses: { 200: { description: 'Done', content: { [mediaType]: { schema: z.string() } } } },
})

export function exportRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { now, log } = services

  app.openapi(get, async (c) => {
    const endpoint = await findEndpoint(services, c.req.valid('param').endpoint)
    const { kind, since, until } = c.req.valid('query')
    // The minute that runs now counts, too: a host's clock may be ahead.
    const to = until === undefined ? now() + dayMs : Date.parse(until)
    const from = since === undefined ? now() - defaultDays * dayMs : Date.parse(since)
    const headers = {
      'content-type': mediaType,
      'content-disposition': `attachment; filename="${endpoint.name}-${kind}.parquet"`,
      'cache-control': 'no-store',
    }
    return await answerPieces(c, 200, headers, piecesOf(services, kind, endpoint, { from, to }), (thrown) =>
      log({ level: 'error', event: 'export broken off', endpoint: endpoint.name, kind, cause: String(thrown) }),
    )
  })
}

function piecesOf(
  { store, now }: Services,
  kind: 'profiles' | 'drift' | 'exposures',
  endpoint: EndpointState,
  span: { from: number; to: number },
): AsyncGenerator<Uint8Array> {
  switch (kind) {
    case 'profiles':
      return encodeParquet(profileTable, profileRows(store, endpoint.name, span, now()))
    case 'drift':
      return encodeParquet(driftTable, driftRows(store, endpoint, span))
    case 'exposures':
      return encodeParquet(exposureTable, exposureRows(store, endpoint.name, span))
  }
}
