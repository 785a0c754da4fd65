import { type ChildProcess, execFile } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { descendants, isAlive, runCommand, startCommand, startedOf } from './command.ts'

const make = fileURLToPath(new URL('../../../server/demo/make.ts', import.meta.url))

interface DemoStart {
  registry: string
  scoring: string
  keys: string[]
  demo: { pageToken: string; endpoints: string[]; example: { endpoint: string; record: Record<string, unknown> } }
}

describe('selvedge up --demo', () => {
  beforeAll(async () => {
    await promisify(execFile)(process.execPath, [make])
  }, 120_000)

  const started: ChildProcess[] = []
  // One whose test failed; its servers end with it.
  afterEach(() => {
    for (const up of started.splice(0)) up.kill('SIGKILL')
  })

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
    started.push(up)
    const servers = (await startedOf(up)) as DemoStart
    const family = descendants(up.pid ?? 0)
    const env = { SELVEDGE_REGISTRY: servers.registry, SELVEDGE_SCORING: servers.scoring }
    const stop = async (signal: NodeJS.Signals) => {
      const gone = new Promise((resolve) => up.once('exit', resolve))
      up.kill(signal)
      return { code: await gone, left: family.filter(isAlive) }
    }
    return { servers, env, stop }
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

      const { endpoint, record } = one.servers.demo.example
      const { endpoints } = one.servers.demo
      expect(endpoints.toSorted()).toEqual(['digits', 'penguins'])
      const ready = async (name: string) => (await fetch(`${one.servers.scoring}v2/models/${name}/ready`)).status
      expect(await Promise.all(endpoints.map(ready))).toEqual([200, 200])
      const answer = await runCommand(['score', endpoint, '-', '--unit-column', 'user', '--json'], {
        env: one.env,
        stdin: JSON.stringify([record, record].map((each, i) => ({ ...each, user: `u${i}` }))),
      })
      const row = { class: expect.stringMatching(/^(Adelie|Chinstrap|Gentoo)/), deployment: 'blue', version: 1 }
      expect(JSON.parse(answer.stdout)).toMatchObject([row, row])

      // Rows of known units are counted like any others, once.
      const rows = async () => {
        const [, penguins] = (await status(one.env)).endpoints
        return penguins.profiles.reduce((sum: number, profile: { rows: number }) => sum + profile.rows, 0)
      }
      await expect.poll(rows, { timeout: 30_000, interval: 500 }).toBe(2)

      // What a user changed is found again, too.
      await runCommand(['traffic', 'digits', 'blue=50', 'green=50'], { env: one.env })
      expect((await stat(join(folder, 'page-token.json'))).mode & 0o777).toBe(0o600)
      expect(await one.stop('SIGINT')).toEqual({ code: 0, left: [] })

      const two = await start(folder)
      const after = await status(two.env)
      expect(after.models).toEqual(before.models)
      expect(after.endpoints[0].endpoint.traffic).toEqual({ split: { blue: 50, green: 50 } })
      expect(two.servers.demo.pageToken).toBe(one.servers.demo.pageToken)
      expect(two.servers.keys).toEqual(one.servers.keys)
      expect(await two.stop('SIGTERM')).toEqual({ code: 0, left: [] })
    } finally {
      await rm(folder, { recursive: true })
    }
  }, 120_000)
})
