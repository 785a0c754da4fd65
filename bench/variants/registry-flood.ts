/**
 * Reports of one page token while another floods the registry: `node bench/variants/registry-flood.ts <none|flood>`. A sample
 * is the 99th percentile of a minute in which 50 hosts a second report; each has to be counted. The flood is a process of its
 * own that keeps 16 connections busy; it must have been refused, and its refusals counted.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { TelemetryReport } from '../../runtime/contract/telemetry.ts'
import { openConnection, requestText, statusOf } from '../node/connection.ts'
import { deployModel } from '../node/model.ts'
import { openOci } from '../node/oci.ts'
import { startRegistry } from '../node/servers.ts'

const [kind, url = '', floodToken = ''] = process.argv.slice(2)
const perSecond = 50
const seconds = 60
const connections = 16
const path = '/api/v1/telemetry'

if (kind === 'hammer') await hammer()
else await measure()

async function measure(): Promise<void> {
  const running = await startRegistry()
  const oci = openOci(running.url, 1)
  try {
    await deployModel(oci)
    const [own, other] = [await makeToken(), await makeToken()]
    await arrive(5)
    const flood = kind === 'flood' ? startFlood(other) : undefined
    const times = await arrive(seconds)
    const refused = await flood?.stop()
    const metrics = (await oci.read('/metrics')).toString()
    const counted = /^selvedge_reports_refused_total\{reason="quota"\} (\d+)$/m.exec(metrics)?.[1]
    if (flood && !(Number(counted) >= Number(refused) && Number(refused) > 0)) {
      throw new Error(`${refused} reports were refused, and ${counted} of them counted`)
    }
    const p99 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]
    console.log(JSON.stringify({ unit: 'ms', samples: [p99], answer: times.length }))

    async function makeToken(): Promise<string> {
      const body = Buffer.from(JSON.stringify({ role: 'page' }))
      const answer = await oci.send('POST', '/api/v1/tokens', 201, body, { 'content-type': 'application/json' })
      return (JSON.parse(answer.body.toString()) as { secret: string }).secret
    }

    /** From the moment at which a report was due. Connections take turns, since idle ones are closed. */
    async function arrive(seconds: number): Promise<number[]> {
      const idle = await Promise.all(Array.from({ length: perSecond }, () => openConnection(running.url)))
      const begin = performance.now()
      const asked = Array.from({ length: perSecond * seconds }, async (_, i) => {
        const due = begin + (i / perSecond) * 1000
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())))
        const connection = idle.shift() ?? (await openConnection(running.url))
        const status = statusOf(await connection.ask(requestOf(running.url, own)))
        idle.push(connection)
        if (status !== 200) throw new Error(`a report was answered with ${status}`)
        return performance.now() - due
      })
      const times = await Promise.all(asked)
      for (const connection of idle) connection.close()
      return times
    }

    function startFlood(token: string) {
      const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'hammer', running.url, token], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      const said = text(child.stdout)
      return {
        async stop(): Promise<number> {
          const ended = once(child, 'exit')
          child.stdin.end()
          await ended
          return Number(await said)
        },
      }
    }
  } finally {
    oci.close()
    await running.close()
  }
}

/** Until its input ends; prints how often it was refused. */
async function hammer(): Promise<void> {
  let [refused, stopped] = [0, false]
  process.stdin.resume().once('end', () => {
    stopped = true
  })
  const open = await Promise.all(Array.from({ length: connections }, () => openConnection(url)))
  await Promise.all(
    open.map(async (connection) => {
      while (!stopped) {
        const status = statusOf(await connection.ask(requestOf(url, floodToken)))
        if (status === 429) refused++
        else if (status !== 200) throw new Error(`a report of the flood was answered with ${status}`)
      }
      connection.close()
    }),
  )
  process.stdout.write(String(refused))
}

/** A report of a host that was never heard before. */
function requestOf(base: string, token: string): string {
  const profile = { deployment: 'blue', version: 1, variant: 'fp32', provider: 'wasm', device: 'desktop' } as const
  const counted = { rows: 1, counts: {}, outputs: {}, latency: new Array(33).fill(0).with(9, 1), errors: {} }
  const report: TelemetryReport = {
    sender: Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url'),
    seq: 1,
    window: new Date(Math.floor(Date.now() / 60_000) * 60_000).toISOString(),
    endpoint: 'e',
    revision: 1,
    profiles: [{ ...profile, ...counted }],
    exposures: [],
    outcomes: [],
  }
  const headers = ['content-type: application/json', `authorization: Bearer ${token}`]
  return requestText(base, 'POST', path, headers, JSON.stringify(report))
}
