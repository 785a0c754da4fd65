/**
 * Reports of 1,000 senders: `node bench/variants/registry-telemetry.ts <single|groups|http>`. A sample is one report of each
 * for the next minute, all acknowledged. `single` and `groups` give them to the store, one a transaction or all that 20 ms bring at the rate of
 * `http`; `http` sends them on 100 connections. What is kept at the end is read back and must be exact.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore } from '../../registry/store/sqlite/open.ts'
import type { TelemetryReport } from '../../runtime/contract/telemetry.ts'
import { deployModel } from '../node/model.ts'
import { openOci } from '../node/oci.ts'
import { startRegistry } from '../node/servers.ts'

const senders = 1000
const connections = 100
const groupSize = 50
const rounds = 8
const warmUp = 2

interface Sums {
  senders: number
  rows: number
}

const startedAt = Math.floor(Date.now() / 60_000) * 60_000
const names = Array.from({ length: senders }, (_, i) => Buffer.from(String(i).padStart(16)).toString('base64url'))

const { samples, kept } = await (process.argv[2] === 'http' ? overHttp() : inStore(process.argv[2] === 'groups'))
// One row in the first round, two in the second.
const isExact =
  kept.length === 1 && kept[0]?.senders === senders && kept[0].rows === (senders * rounds * (rounds + 1)) / 2
if (!isExact) throw new Error(`the sums are ${JSON.stringify(kept)}`)
console.log(JSON.stringify({ unit: 'ms', samples: samples.slice(warmUp), answer: [senders, kept[0]?.rows] }))

async function overHttp(): Promise<{ samples: number[]; kept: Sums[] }> {
  const running = await startRegistry()
  const oci = openOci(running.url, connections)
  try {
    await deployModel(oci)
    const samples = await timed(async (round) => {
      const left = [...names]
      const send = async () => {
        for (let sender = left.pop(); sender !== undefined; sender = left.pop()) {
          const body = Buffer.from(JSON.stringify(reportOf(sender, round)))
          const answer = await oci.send('POST', '/api/v1/telemetry', 200, body, { 'content-type': 'application/json' })
          if (!JSON.parse(answer.body.toString()).counted) throw new Error('a report was not counted')
        }
      }
      await Promise.all(Array.from({ length: connections }, send))
    })
    const { items } = JSON.parse((await oci.read('/api/v1/endpoints/e/profiles')).toString())
    return { samples, kept: items }
  } finally {
    oci.close()
    await running.close()
  }
}

async function inStore(inGroups: boolean): Promise<{ samples: number[]; kept: Sums[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'selvedge-bench-'))
  const store = openSqliteStore(join(folder, 'registry.db'))
  try {
    await store.endpoints.create('e', Date.now())
    const size = inGroups ? groupSize : 1
    const samples = await timed(async (round) => {
      for (let at = 0; at < senders; at += size) {
        const group = names.slice(at, at + size).map((sender) => reportOf(sender, round))
        await store.telemetry.fold(
          group.map((report) => ({ ...report, tier: 'trusted', receivedAt: new Date().toISOString() })),
        )
      }
    })
    return { samples, kept: await store.telemetry.sums('e', '') }
  } finally {
    await store.close()
    rmSync(folder, { recursive: true })
  }
}

function reportOf(sender: string, round: number): TelemetryReport {
  const profile = { deployment: 'blue', version: 1, variant: 'fp32', provider: 'wasm', device: 'desktop' } as const
  const rows = round + 1
  const counted = { rows, counts: {}, outputs: {}, latency: new Array(33).fill(0).with(9, rows), errors: {} }
  const profiles = [{ ...profile, ...counted }]
  const window = new Date(startedAt - (rounds - round) * 60_000).toISOString()
  return { sender, seq: round + 1, window, endpoint: 'e', revision: 1, profiles, exposures: [], outcomes: [] }
}

async function timed(run: (round: number) => Promise<void>): Promise<number[]> {
  const samples: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    await run(round)
    samples.push(performance.now() - start)
  }
  return samples
}
