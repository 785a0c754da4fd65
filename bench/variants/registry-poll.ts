/**
 * A thousand hosts that wait for a plan, and a change of traffic: `node bench/variants/registry-poll.ts <told|reads>`.
 * `told` is the time from the change being sent to the last host having the new plan, `reads` the time of the slowest
 * hundredth of plan reads that four other clients send, from 200 ms before each change to the last host being told.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { quantile } from '../harness/statistics.ts'
import { type Connection, openConnection, requestText, statusOf } from '../node/connection.ts'
import { deployModel, putJson } from '../node/model.ts'
import { openOci } from '../node/oci.ts'
import { startRegistry } from '../node/servers.ts'

const hosts = 1000
const readers = 4
const changes = 5
const beforeMs = 200

const figure = process.argv[2]
const running = await startRegistry()
const oci = openOci(running.url, 1)
const path = '/api/v1/endpoints/e/plan'
try {
  await deployModel(oci)
  await putJson(oci, '/api/v1/endpoints/e/deployments/green', 201, { model: 'm', version: 1 })
  const waiting = await open(hosts)
  const reading = await open(readers)
  const told: number[] = []
  const reads: number[] = []
  for (let change = 0; change < changes; change++) {
    const { after } = await held()
    const request = requestText(running.url, 'GET', `${path}?wait=25&after=${after}`)
    const answers = waiting.map((connection) => connection.ask(request))
    await allWait()
    let isOver = false
    const measured = Promise.all(
      reading.map(async (connection) => {
        while (!isOver) {
          const start = performance.now()
          await connection.ask(requestText(running.url, 'GET', path))
          reads.push(performance.now() - start)
          await wait(1)
        }
      }),
    )
    await wait(beforeMs)
    const green = 10 + change
    const start = performance.now()
    await putJson(oci, '/api/v1/endpoints/e/traffic', 200, { split: { blue: 100 - green, green } }, { 'if-match': '*' })
    const statuses = (await Promise.all(answers)).map(statusOf)
    told.push(performance.now() - start)
    isOver = true
    await measured
    if (statuses.some((status) => status !== 200)) throw new Error('a host was not told')
  }
  for (const connection of [...waiting, ...reading]) connection.close()
  const samples = figure === 'told' ? told : [quantile(reads, 0.99)]
  console.log(JSON.stringify({ unit: 'ms', samples, answer: hosts * changes }))
} finally {
  oci.close()
  await running.close()
}

async function open(count: number): Promise<Connection[]> {
  return await Promise.all(Array.from({ length: count }, () => openConnection(running.url)))
}

// Whoever asked only after the change would be told at once, and the figure would be of fewer hosts.
async function allWait(): Promise<void> {
  for (;;) {
    const metrics = (await oci.read('/metrics')).toString()
    if (/^selvedge_polls_waiting (\d+)$/m.exec(metrics)?.[1] === String(hosts)) return
    await wait(20)
  }
}

async function held(): Promise<{ after: number }> {
  const jws = (await oci.read(path)).toString()
  const { revision } = JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString())
  return { after: revision }
}
