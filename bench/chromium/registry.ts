/** A registry in this process that serves one model to pages, and at another endpoint with a shadow of every request. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
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
  /** The same, shadowed. */
  shadowed: Subject['target']
  /** Requests whose shadow was compared. */
  shadows(): Promise<number>
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
  const shadowed = `${name}-shadowed`
  for (const deployment of ['blue', 'green']) await client.putDeployment(shadowed, deployment, { model: name, version })
  const { traffic, etag } = await client.traffic(shadowed)
  await client.putTraffic(shadowed, { ...traffic, shadow: { deployment: 'green', percent: 100 } }, etag)
  const { secret } = await client.createToken({ role: 'page' })
  const target = { registry: listener.url, endpoint: name, token: secret, key: registry.key }
  return {
    target,
    shadowed: { ...target, endpoint: shadowed },
    async shadows() {
      const response = await fetch(`${listener.url}/api/v1/endpoints/${shadowed}/shadow`)
      const { items } = z.object({ items: z.array(z.object({ rows: z.number() })) }).parse(await response.json())
      return items.reduce((sum, { rows }) => sum + rows, 0)
    },
    async close() {
      registry.drain()
      await listener.close(0)
      await registry.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
