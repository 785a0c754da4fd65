/** What a plan read costs at least: one Hono route on `@hono/node-server` that compares an ETag. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'

const app = new Hono()
const etag = '"1"'

app.get('/api/v1/endpoints/:endpoint/plan', (c) => {
  c.header('etag', etag)
  c.header('cache-control', 'max-age=5, stale-while-revalidate=60')
  if (c.req.header('if-none-match') === etag) return c.body(null, 304)
  return c.body('plan', 200, { 'content-type': 'application/jose' })
})

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0, overrideGlobalObjects: false }, ({ port }) => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }))
})
