/**
 * F-21: half an hour of requests, small ones as JSON and large ones in binary form; what the front and its scorers hold is
 * the same at the end as after the warm-up: `node test/proof/server-soak.ts [minutes]`.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { encodeInferRequest } from '../../runtime/oip/infer.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { residentBytes } from '../../server/memory.ts'
import { scoreOf } from '../faults/load.ts'
import { startRegistry } from '../server/fixtures/registry.ts'
import { startServer } from '../server/fixtures/server.ts'

const minutes = Number(process.argv[2] ?? 30)
/** Whose memory is not looked at; so many after them, and so many at the end, are compared. */
const warmUpMinutes = 5
const everyMs = 1000
/** 0.8 MB a body. */
const rows = 100_000

await using registry = await startRegistry()
await using server = await startServer(registry, '--scorers', '2')
await server.untilReady('e')

let stopped = false
let asked = 0
const wrong: string[] = []
const { body, headerLength } = encodeInferRequest({ x: createTensor('FP32', [rows, 2], new Float32Array(2 * rows)) })

async function keepAsking(pauseMs: number, ask: () => Promise<Response>): Promise<void> {
  while (!stopped) {
    const answer = await ask()
    const { byteLength } = await answer.arrayBuffer()
    if (!answer.ok || byteLength === 0) wrong.push(`${answer.status}, ${byteLength} bytes`)
    asked++
    await wait(pauseMs)
  }
}

const askLarge = () =>
  fetch(`${server.url}/v2/models/e/infer`, {
    method: 'POST',
    headers: { 'inference-header-content-length': String(headerLength) },
    body,
  })
const load = [
  ...Array.from({ length: 8 }, () => keepAsking(20, () => scoreOf(server.url, 1, 1))),
  ...Array.from({ length: 2 }, () => keepAsking(200, askLarge)),
]

/** Megabytes by minute: the front, and its scorers together. */
const held: { front: number; scorers: number }[] = []
for (let minute = 0; minute < minutes; minute++) {
  const samples: { front: number; scorers: number }[] = []
  for (const end = Date.now() + 60_000; Date.now() < end; await wait(everyMs)) {
    samples.push({ front: megabytes([server.pid]), scorers: megabytes(childrenOf(server.pid)) })
  }
  held.push({ front: median(samples.map(({ front }) => front)), scorers: median(samples.map((each) => each.scorers)) })
}
stopped = true
await Promise.all(load)

console.log(`${asked} requests in ${minutes} minutes, ${wrong.length} of them not answered`)
let grew = false
for (const who of ['front', 'scorers'] as const) {
  const mb = held.map((each) => each[who])
  const before = median(mb.slice(warmUpMinutes, 2 * warmUpMinutes))
  const after = median(mb.slice(-warmUpMinutes))
  grew ||= after > before * 1.05
  console.log(`${who}: ${before} MB after the warm-up, ${after} MB at the end (${(after / before).toFixed(3)} ×)`)
  console.log(`  by minute: ${mb.join(' ')}`)
}
for (const line of wrong.slice(0, 20)) console.log(line)
process.exitCode = grew || wrong.length > 0 ? 1 : 0

function megabytes(pids: readonly number[]): number {
  return Math.round(pids.reduce((sum, pid) => sum + (residentBytes(pid) ?? 0), 0) / 1e6)
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}
