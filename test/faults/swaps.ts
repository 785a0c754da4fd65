/** Versions of one endpoint that are swapped while requests come without a pause. */
import { linearFiles, pushModel, sendJson } from '../registry/fixture.ts'
import { startRegistry } from '../server/fixtures/registry.ts'
import { startServer } from '../server/fixtures/server.ts'
import { keepAsking, readValue, scoreOf } from './load.ts'

/** Version n answers a + factor · b. */
const factors: Record<string, number> = { 1: 2, 3: 3, 4: 4 }

export interface Swapped {
  asked: number
  /** What was wrong with answers, a line each. */
  wrong: string[]
  /** Versions that answered. */
  seen: string[]
}

export async function swapUnderLoad(swaps: number): Promise<Swapped> {
  await using registry = await startRegistry()
  for (const version of [3, 4]) {
    const pushed = await pushModel(registry.fixture, 'a', String(version), linearFiles([1, version]))
    if (pushed.status !== 201) throw new Error(await pushed.text())
  }
  await using server = await startServer(registry, '--scorers', '2')
  await server.untilReady('e')
  const seen = new Set<string>()
  const load = keepAsking(server.url, 8, async (answer) => {
    if (!answer.ok) return `${answer.status} ${await answer.text()}`
    const [version, value] = await readValue(answer)
    seen.add(version)
    const a = (value ?? 0) - (factors[version] ?? Number.NaN)
    return Number.isInteger(a) && a >= 0 && a < 7 ? undefined : `version ${version} answered ${value}`
  })
  for (let swap = 0; swap < swaps; swap++) {
    const version = 3 + (swap % 2)
    const body = { model: 'a', version }
    const put = await sendJson(registry.fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', body)
    if (put.status !== 200) throw new Error(await put.text())
    const deadline = Date.now() + 30_000
    while ((await readValue(await scoreOf(server.url, 0, 1)))[0] !== String(version)) {
      if (Date.now() > deadline) throw new Error(`version ${version} did not come within 30 s`)
    }
  }
  const wrong = await load.stop()
  return { asked: load.asked(), wrong, seen: [...seen].sort() }
}
