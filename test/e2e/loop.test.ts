/** The whole loop through real processes and a real page: push, plan, score, count, report, move traffic, follow. */

import type { ChildProcess } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { type Browser, chromium, type Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { bucket } from '../../runtime/assignment/schemes.ts'
import type { Connection } from '../../runtime/connection.ts'
import type { Endpoint, ProfileSum } from '../../runtime/contract/control.ts'
import { description as descriptionSchema } from '../../runtime/contract/description.ts'
import { profileSpec } from '../../runtime/contract/profile-spec.ts'
import type { TelemetryReport } from '../../runtime/contract/telemetry.ts'
import { openProfile } from '../../runtime/telemetry/profile.ts'
import { recordValues } from '../../runtime/tensor/features.ts'
import { outputValues, type Prediction } from '../../runtime/tensor/predictions.ts'
import { readPenguins } from '../../server/demo/datasets/penguins.ts'
import { chromiumArguments, chromiumPath } from '../chromium.ts'
import { serve } from '../fixtures/http.ts'
import { runCommand, startCommand, startedOf } from '../server/cli/command.ts'

const sample = fileURLToPath(new URL('../../dist/demo/penguins-1/', import.meta.url))
const records: Record<string, unknown>[] = readPenguins().records.slice(0, 200)

interface ScoredRow {
  prediction: Prediction
  deployment: string
}

declare global {
  // What the page holds between calls from this test.
  var penguins: Connection
}

describe('the loop', () => {
  let folder: string
  let up: ChildProcess
  let servers: { registry: string; scoring: string }
  let key: string
  let token: string
  let browser: Browser
  let page: Page
  let reports: TelemetryReport[]
  let site: Awaited<ReturnType<typeof serve>>

  const selvedge = async (...args: string[]) => {
    const env = { SELVEDGE_REGISTRY: servers.registry, SELVEDGE_SCORING: servers.scoring }
    const ran = await runCommand([...args, '--json'], { env })
    expect(ran, ran.stderr).toMatchObject({ code: 0 })
    return JSON.parse(ran.stdout)
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'selvedge-e2e-'))
    const ports = ['--registry-port', '0', '--scoring-port', '0', '--scorers', '1']
    up = startCommand(['up', '--demo', '--json', '--data', join(folder, 'data'), ...ports])
    servers = await startedOf(up)
    const keys = await fetch(`${servers.registry}api/v1/keys`)
    key = ((await keys.json()) as { keys: { key: string }[] }).keys[0]?.key ?? ''

    // The demo serves version 1 as blue; version 2 differs in where it came from alone.
    cpSync(sample, join(folder, 'second'), { recursive: true })
    const described = JSON.parse(readFileSync(join(sample, 'selvedge.json'), 'utf8'))
    const second = { ...described, provenance: { ...described.provenance, run: 'second' } }
    writeFileSync(join(folder, 'second', 'selvedge.json'), JSON.stringify(second))
    await selvedge('push', 'penguins', join(folder, 'second'), '--why', 'second')
    await selvedge('deploy', 'penguins/green', '--model', 'penguins@2')
    token = (await selvedge('token', 'create', '--role', 'page')).secret

    browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: chromiumArguments })
    page = await browser.newPage()
    reports = []
    page.on('request', (request) => {
      if (!request.url().endsWith('/telemetry') || request.method() !== 'POST') return
      const body = request.postDataBuffer() ?? Buffer.of()
      const text = request.headers()['content-encoding'] === 'gzip' ? gunzipSync(body) : body
      reports.push(JSON.parse(text.toString()))
    })
    // A page of another origin, as a team's own application is.
    const registry = new URL(servers.registry).origin
    const options = { token, key, providers: ['wasm'] }
    site = await serve((_, response) => {
      response.setHeader('content-type', 'text/html')
      response.end(`<!doctype html><script type="module">
        import { connect } from '${registry}/runtime/1.30.0/client.js'
        globalThis.penguins = await connect('${registry}', 'penguins', ${JSON.stringify(options)})
      </script>`)
    })
    await page.goto(site.url)
    await page.waitForFunction(() => 'penguins' in globalThis)
  }, 120_000)

  afterAll(async () => {
    await browser?.close()
    await site?.close()
    up?.kill('SIGTERM')
    if (up !== undefined && up.exitCode === null) await new Promise((resolve) => up.once('exit', resolve))
    rmSync(folder, { recursive: true, force: true })
  })

  // A queue takes a hundred requests at once.
  const halves = [0, 100].map((from) =>
    records.slice(from, from + 100).map((record, i) => ({ record, unit: `unit ${from + i}` })),
  )

  async function scoreInPage(): Promise<ScoredRow[]> {
    const scored: ScoredRow[][] = []
    for (const half of halves) {
      scored.push(
        await page.evaluate(
          async (rows) =>
            await Promise.all(
              rows.map(async ({ record, unit }) => {
                const { deployment, ...rest } = await globalThis.penguins.score(record, { unit })
                if (!('class' in rest)) throw new Error('penguins has no classes')
                return { prediction: { class: rest.class, scores: rest.scores }, deployment }
              }),
            ),
          half,
        ),
      )
    }
    return scored.flat()
  }

  async function scoreOnServer(): Promise<ScoredRow[]> {
    const scored: ScoredRow[][] = []
    for (const half of halves) scored.push(await Promise.all(half.map(scoreOne)))
    return scored.flat()
  }

  async function scoreOne({ record, unit }: { record: unknown; unit: string }): Promise<ScoredRow> {
    const response = await fetch(`${servers.scoring}v2/models/penguins/score`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'selvedge-unit': unit },
      body: JSON.stringify({ records: [record] }),
    })
    const body = (await response.json()) as { predictions?: Prediction[] }
    const prediction = body.predictions?.[0]
    if (prediction === undefined) throw new Error(JSON.stringify(body))
    return { prediction, deployment: response.headers.get('selvedge-deployment') ?? '' }
  }

  async function control<T>(path: string): Promise<T> {
    return (await (await fetch(`${servers.registry}api/v1/endpoints/penguins${path}`)).json()) as T
  }

  /** What one pass over the rows counts. */
  function singlePass(rows: readonly ScoredRow[]) {
    const read = (file: string) => JSON.parse(readFileSync(join(sample, file), 'utf8'))
    const description = descriptionSchema.parse(read('selvedge.json'))
    const profile = openProfile(profileSpec.parse(read('profile.json')))
    for (const [i, { prediction }] of rows.entries()) {
      profile.countRow(recordValues(description, records[i] ?? {}))
      profile.countOutput(outputValues(description, prediction))
    }
    return profile.counts()
  }

  test('the same 200 rows get the same scores in the page and from the server, and are counted once', async () => {
    const inPage = await scoreInPage()
    const onServer = await scoreOnServer()
    expect(largestDifference(inPage, onServer)).toBeLessThan(1e-4)
    expect(inPage.map(({ prediction }) => classOf(prediction))).toEqual(
      onServer.map(({ prediction }) => classOf(prediction)),
    )
    expect(new Set([...inPage, ...onServer].map(({ deployment }) => deployment))).toEqual(new Set(['blue']))

    // Reported twice by the page, and every report once more by somebody else.
    for (let i = 0; i < 2; i++) expect(await page.evaluate(() => globalThis.penguins.report())).toBe(true)
    expect(reports.length).toBeGreaterThan(0)
    for (const report of reports) {
      const again = await fetch(`${servers.registry}api/v1/telemetry`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify(report),
      })
      expect(await again.json()).toEqual({ counted: false })
    }
    await vi.waitFor(async () => {
      const { items } = await control<{ items: ProfileSum[] }>('/profiles')
      const sums = Object.fromEntries(items.map((sum) => [sum.provider, sum]))
      expect(Object.keys(sums).sort()).toEqual(['cpu', 'wasm'])
      expect(sums.wasm).toMatchObject({ ...singlePass(inPage), deployment: 'blue', version: 1, senders: 1 })
      expect(sums.cpu).toMatchObject({ ...singlePass(onServer), deployment: 'blue', version: 1, senders: 1 })
    }, 20_000)
  })

  test('moving traffic moves exactly the units that must move, on both hosts, within one poll', async () => {
    const first = await moveTraffic(60, 40)
    expect(first.filter((deployment) => deployment === 'green').length).toBeGreaterThan(50)
    const second = await moveTraffic(80, 20)
    // Half of green goes back; nobody else is dealt anew.
    const moved = first.map((before, i) => `${before} to ${second[i]}`).filter((move) => !/^(\w+) to \1$/.test(move))
    expect(new Set(moved)).toEqual(new Set(['green to blue']))
    expect(moved.length / records.length).toBeGreaterThan(0.1)
    expect(moved.length / records.length).toBeLessThan(0.3)
  })

  /** Moves traffic and gives the deployment of each unit once both hosts follow; they must agree with the registry. */
  async function moveTraffic(blue: number, green: number): Promise<(string | undefined)[]> {
    await selvedge('traffic', 'penguins', `blue=${blue}`, `green=${green}`)
    await vi.waitFor(async () => {
      const { split } = await page.evaluate(() => globalThis.penguins.state())
      expect(split).toEqual({ blue, green })
    }, 5000)
    const { salt, ranges } = await control<Endpoint>('')
    const wanted = records.map((_, i) => {
      const at = bucket(salt, `unit ${i}`)
      return ranges.find(([, from, to]) => from <= at && at < to)?.[0]
    })
    await vi.waitFor(async () => expect(await deployments(scoreOnServer())).toEqual(wanted), 5000)
    expect(await deployments(scoreInPage())).toEqual(wanted)
    return wanted
  }
})

async function deployments(rows: Promise<ScoredRow[]>): Promise<string[]> {
  return (await rows).map(({ deployment }) => deployment)
}

function classOf(prediction: Prediction): string {
  return 'class' in prediction ? prediction.class : ''
}

function largestDifference(a: readonly ScoredRow[], b: readonly ScoredRow[]): number {
  let largest = 0
  for (const [i, { prediction }] of a.entries()) {
    const other = b[i]?.prediction
    if (!('scores' in prediction) || other === undefined || !('scores' in other)) return Number.POSITIVE_INFINITY
    for (const [name, score] of Object.entries(prediction.scores)) {
      largest = Math.max(largest, Math.abs(score - (other.scores[name] ?? Number.POSITIVE_INFINITY)))
    }
  }
  return largest
}
