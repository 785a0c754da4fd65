/** `selvedge models` against a registry. */
import { describe, expect, test } from 'vitest'
import { listen } from '../../../registry/listener.ts'
import { openClient } from '../../../server/cli/client.ts'
import { linearFiles, openFixture, pushModel } from '../../registry/fixture.ts'

describe('the models of a registry', () => {
  test('are those that a filter finds, or all', async () => {
    await using fixture = await openFixture()
    await pushModel(fixture, 'a', '1', linearFiles(), { 'selvedge.tag.team': 'vision' })
    await pushModel(fixture, 'b', '1')
    const listener = await listen(fixture.registry, '127.0.0.1', 0)
    try {
      const client = openClient({ what: 'registry', base: listener.url })
      expect((await client.models('team=vision')).map(({ name }) => name)).toEqual(['a'])
      expect((await client.models()).map(({ name }) => name)).toEqual(['a', 'b'])
    } finally {
      await listener.close(0)
    }
  })
})
