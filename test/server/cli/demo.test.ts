import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { descendants, isAlive, runCommand, startCommand, startedOf } from './command.ts'

const make = fileURLToPath(new URL('../../../server/demo/make.ts', import.meta.url))

interface DemoStart {
  registry: string
  scoring: string
  keys: string[]
  demo: { pageToken: string; example: { endpoint: string; record: Record<string, unknown> } }
}

describe('selvedge up --demo', () => {
  beforeAll(async () => {
    await promisify(execFile)(process.execPath, [make])
  }, 120_000)

  async function start(folder: string) {
    const flags = [
      '--demo',
      '--data',
      folder,
      '--registry-port',
      '0',
      '--scoring-port',
      '0',
      '--scorers',
      '1',
      '--json',
    ]
    const up = startCommand(['up', ...flags])
    const started = (await startedOf(up)) as DemoStart
    const family = descendants(up.pid ?? 0)
    const env = { SELVEDGE_REGISTRY: started.registry, SELVEDGE_SCORING: started.scoring }
    const stop = async (signal: NodeJS.Signals) => {
      const gone = new Promise((resolve) => up.once('exit', resolve))
      up.kill(signal)
      return { code: await gone, left: family.filter(isAlive) }
    }
    return { started, env, stop }
  }

  test('serves the samples, and a second start finds its data and pushes nothing twice', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'selvedge-demo-'))
    try {
      const one = await start(folder)
      const status = async (env: Record<string, string>) =>
        JSON.parse((await runCommand(['status', '--json'], { env })).stdout)
      const before = await status(one.env)
      expect(before.models).toMatchObject([
        { name: 'digits', latestVersion: 2 },
        { name: 'penguins', latestVersion: 1 },
      ])
      expect(before.endpoints.map(({ endpoint }: { endpoint: { traffic: unknown } }) => endpoint.traffic)).toEqual([
        { split: { blue: 90, green: 10 } },
        { split: { blue: 100 } },
      ])

      const { endpoint, record } = one.started.demo.example
      const ready = async () => (await fetch(`${one.started.scoring}v2/models/${endpoint}/ready`)).status
      await expect.poll(ready, { timeout: 30_000 }).toBe(200)
      const answer = await runCommand(['score', endpoint, '-', '--json'], {
        env: one.env,
        stdin: JSON.stringify([record]),
      })
      expect(JSON.parse(answer.stdout)).toMatchObject([
        { class: expect.stringMatching(/^(Adelie|Chinstrap|Gentoo)/), deployment: 'blue', version: 1 },
      ])

      // What a user changed is found again, too.
      await runCommand(['traffic', 'digits', 'blue=50', 'green=50'], { env: one.env })
      expect((await stat(join(folder, 'page-token.json'))).mode & 0o777).toBe(0o600)
      expect(await one.stop('SIGINT')).toEqual({ code: 0, left: [] })

      const two = await start(folder)
      const after = await status(two.env)
      expect(after.models).toEqual(before.models)
      expect(after.endpoints[0].endpoint.traffic).toEqual({ split: { blue: 50, green: 50 } })
      expect(two.started.demo.pageToken).toBe(one.started.demo.pageToken)
      expect(two.started.keys).toEqual(one.started.keys)
      expect(await two.stop('SIGTERM')).toEqual({ code: 0, left: [] })
    } finally {
      await rm(folder, { recursive: true })
    }
  }, 120_000)
})
