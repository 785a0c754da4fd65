/** A registry in this process that serves one model to pages. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listen } from '../../registry/listener.ts'
import { openRegistry } from '../../registry/registry.ts'
import type { Server } from '../../server/cli/answers.ts'
import { openClient } from '../../server/cli/client.ts'
import { openOutput } from '../../server/cli/output.ts'
import { pushVersion } from '../../server/cli/version/push.ts'
import { type ModelName, models } from '../workloads/models.ts'
import type { Subject } from '../workloads/task.ts'

export interface Served {
  target: Subject['target']
  close(): Promise<void>
}

const assetsDir = fileURLToPath(new URL('../../dist/browser/', import.meta.url))

export async function serveModel(name: ModelName): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'selvedge-bench-registry-'))
  const registry = await openRegistry({ dataDir: join(folder, 'data'), assetsDir })
  const listener = await listen(registry, '127.0.0.1', 0)
  const server: Server = { what: 'registry', base: `${listener.url}/` }
  const client = openClient(server)
  const file = join(folder, `${name}.onnx`)
  writeFileSync(file, models[name].read())
  // As `selvedge push` and `selvedge deploy` do it.
  const { version } = await pushVersion({ registry: server, client, output: openOutput(true) }, name, [file], {
    tags: {},
  })
  await client.putDeployment(name, 'blue', { model: name, version })
  const { secret } = await client.createToken({ role: 'page' })
  return {
    target: { registry: listener.url, endpoint: name, token: secret, key: registry.key },
    async close() {
      registry.drain()
      await listener.close(0)
      await registry.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
