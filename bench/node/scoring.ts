/** A scoring server of ours with one model, behind a registry of its own. */
import { fileURLToPath } from 'node:url'
import { isModel, type ModelName, models } from '../workloads/models.ts'
import { packed, pushModel, putJson } from './model.ts'
import { openOci } from './oci.ts'
import { type Running, startRegistry, startWith } from './servers.ts'

const entry = fileURLToPath(new URL('../../server/main.ts', import.meta.url))

export function modelNamed(name: string | undefined): ModelName {
  if (isModel(name)) return name
  throw new Error(`no model "${name}"; there are ${Object.keys(models).join(', ')}`)
}

/** Endpoint `e`, ready; `pid` is that of the front. */
export async function startScoring(name: ModelName, scorers: number): Promise<Running> {
  const registry = await startRegistry()
  const oci = openOci(registry.url, 1)
  try {
    await pushModel(oci, 'm', packed({ 'model.onnx': Buffer.from(models[name].read()) }, 1))
    await putJson(oci, '/api/v1/endpoints/e/deployments/blue', 201, { model: 'm', version: 1 })
    const server = await startWith((folder) => [
      process.execPath,
      entry,
      ...['--registry', registry.url, '--key', registry.key, '--port', '0', '--cache', folder],
      ...['--scorers', String(scorers)],
    ])
    while (!(await fetch(`${server.url}/v2/models/e/ready`)).ok) await new Promise((resolve) => setTimeout(resolve, 20))
    return {
      ...server,
      async close() {
        await server.close()
        await registry.close()
      },
    }
  } catch (error) {
    await registry.close()
    throw error
  } finally {
    oci.close()
  }
}
