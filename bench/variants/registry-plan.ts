/**
 * A thousand plan reads that are answered with 304, on 64 connections:
 * `node bench/variants/registry-plan.ts <selvedge|bare>`, where the bare side is one Hono route.
 */
import { openConnection, requestText, statusOf } from '../node/connection.ts'
import { deployModel } from '../node/model.ts'
import { openOci } from '../node/oci.ts'
import { startBare, startRegistry } from '../node/servers.ts'

const connections = 64
const readsOfSample = 1000
const samplesOfWarmUp = 10
const samplesTaken = 30

const kind = process.argv[2]
const running = await (kind === 'bare' ? startBare(new URL('../node/bare-plan.ts', import.meta.url)) : startRegistry())
const oci = openOci(running.url, 1)
const path = '/api/v1/endpoints/e/plan'
try {
  if (kind !== 'bare') await deployModel(oci)
  const { etag } = (await oci.send('GET', path, 200)).headers
  const request = requestText(running.url, 'GET', path, [`if-none-match: ${etag}`])
  const open = await Promise.all(Array.from({ length: connections }, () => openConnection(running.url)))
  const samples: number[] = []
  const statuses = new Set<number>()
  for (let i = -samplesOfWarmUp; i < samplesTaken; i++) {
    let left = readsOfSample
    const start = performance.now()
    await Promise.all(
      open.map(async (connection) => {
        while (left-- > 0) statuses.add(statusOf(await connection.ask(request)))
      }),
    )
    if (i >= 0) samples.push(performance.now() - start)
  }
  for (const connection of open) connection.close()
  console.log(JSON.stringify({ unit: 'ms', samples, answer: [...statuses] }))
} finally {
  oci.close()
  await running.close()
}
