/** Pushing a version to a registry: the number that it gets. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { listen } from '../../../../registry/listener.ts'
import { openRegistry } from '../../../../registry/registry.ts'
import { openClient } from '../../../../server/cli/client.ts'
import { openOutput } from '../../../../server/cli/output.ts'
import { pushVersion } from '../../../../server/cli/version/push.ts'
import { scaleModel } from '../../../fixtures/models.ts'

test('is the next one, also where the newest version was deleted: its number is not given again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'selvedge-push-'))
  const registry = await openRegistry({ dataDir: join(folder, 'data'), probe: async () => ({}) })
  const listener = await listen(registry, '127.0.0.1', 0)
  try {
    const server = { what: 'registry', base: `${listener.url}/` } as const
    const context = { registry: server, client: openClient(server), output: openOutput(true) }
    const push = async (factor: number) => {
      const file = join(folder, `${factor}.onnx`)
      writeFileSync(file, scaleModel(factor))
      return (await pushVersion(context, 'm', [file], { tags: {} })).version
    }
    expect([await push(1), await push(2)]).toEqual([1, 2])
    expect((await registry.app.request('/api/v1/models/m/versions/2', { method: 'DELETE' })).status).toBe(204)
    expect(await push(3)).toBe(3)
  } finally {
    registry.drain()
    await listener.close(0)
    await registry.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
