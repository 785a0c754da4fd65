/** A registry process that is killed while reports come in. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { digestOf, linearSpec, openServing } from '../fixture.ts'

let dataDir: string
let child: ChildProcess | undefined

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'selvedge-killed-'))
})

afterEach(async () => {
  await kill()
  rmSync(dataDir, { recursive: true })
})

async function start(): Promise<string> {
  const started = fork(new URL('../../../registry/main.ts', import.meta.url), ['--data', dataDir, '--port', '0'], {
    silent: true,
  })
  child = started
  if (started.stdout === null) throw new Error('the registry has no stdout')
  const [line] = (await once(createInterface(started.stdout), 'line')) as [string]
  return (JSON.parse(line) as { url: string }).url
}

async function kill(): Promise<void> {
  const dying = child
  child = undefined
  if (dying === undefined) return
  const gone = once(dying, 'exit')
  dying.kill('SIGKILL')
  await gone
}

const window = `${new Date().toISOString().slice(0, 16)}:00.000Z`

function reportOf(i: number): TelemetryReport {
  return {
    sender: String(i).padStart(22, '0'),
    seq: 1,
    window,
    endpoint: 'e',
    revision: 1,
    profiles: [
      {
        deployment: 'blue',
        version: 1,
        variant: 'fp32',
        provider: 'wasm',
        device: 'desktop',
        spec: digestOf(JSON.stringify(linearSpec)),
        rows: 1,
        counts: { a: [1, 0, 0, 0, 0, 0], b: [1, 0, 0, 0, 0] },
        outputs: { value: [1, 0, 0, 0, 0] },
        latency: new Array(33).fill(0),
        errors: {},
      },
    ],
    exposures: [],
    outcomes: [],
  }
}

/** True where it was acknowledged. */
async function post(url: string, report: TelemetryReport): Promise<boolean> {
  try {
    const headers = { 'content-type': 'application/json' }
    return (await fetch(`${url}/api/v1/telemetry`, { method: 'POST', headers, body: JSON.stringify(report) })).ok
  } catch {
    return false
  }
}

async function rows(url: string): Promise<number> {
  const answer = await fetch(`${url}/api/v1/endpoints/e/profiles`)
  const { items } = (await answer.json()) as { items: { rows: number }[] }
  return items[0]?.rows ?? 0
}

test('F-04: what was acknowledged survives SIGKILL, and what is sent again counts once', async () => {
  await (await openServing({ dataDir })).registry.close()
  let sent = 0
  for (let kills = 0; kills < 3; kills++) {
    const url = await start()
    const acknowledged = new Set<number>()
    const first = sent
    let killed: Promise<void> | undefined
    // In the middle of them the process is killed.
    const posts = Array.from({ length: 200 }, async () => {
      const i = sent++
      if (await post(url, reportOf(i))) acknowledged.add(i)
      if (acknowledged.size >= 20 * (kills + 1)) killed ??= kill()
    })
    await Promise.all(posts)
    await killed
    const again = await start()
    expect(acknowledged.size).toBeGreaterThanOrEqual(20)
    expect(await rows(again)).toBeGreaterThanOrEqual(first + acknowledged.size)
    // As a host does that heard nothing; and those that were acknowledged, once more.
    const resent = Array.from({ length: sent - first }, (_, i) => post(again, reportOf(first + i)))
    expect(new Set(await Promise.all(resent))).toEqual(new Set([true]))
    expect(await rows(again)).toBe(sent)
    await kill()
  }
}, 60_000)
