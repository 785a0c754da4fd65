import { fileURLToPath } from 'node:url'
import { Miniflare } from 'miniflare'
import { expect, test } from 'vitest'
import { expected } from '../../runtime/assignment/places.ts'
import { bundle } from './worker.ts'

test('a million ids have the places in workerd that they have everywhere', { timeout: 120_000 }, async () => {
  const entry = `
    import { fingerprints } from './places.js'
    export default { fetch: () => Response.json(fingerprints()) }`
  const places = fileURLToPath(new URL('../../runtime/assignment/places.ts', import.meta.url))
  const workerd = new Miniflare({
    modules: [
      { type: 'ESModule', path: 'worker.js', contents: entry },
      { type: 'ESModule', path: 'places.js', contents: await bundle(places) },
    ],
    compatibilityDate: '2026-07-01',
  })
  try {
    const answer = await workerd.dispatchFetch('http://localhost/')
    expect(await answer.json()).toEqual(expected)
  } finally {
    await workerd.dispose()
  }
})
