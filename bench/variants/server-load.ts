/**
 * Requests that keep a scoring server busy:
 * `node bench/variants/server-load.ts <selvedge|bare|bare-1> <model> <binary|json> <connections> <time|p99|health>`.
 *
 * `bare` runs ONNX Runtime in its handler with the threads that it takes by default, `bare-1` with one. Samples are the
 * milliseconds in which 1,000 requests are answered, the 99th percentile of one request, or that of health beside them.
 */
import { availableParallelism } from 'node:os'
import { openConnection, requestText } from '../node/connection.ts'
import { answerTo, binaryRequest, jsonRequest } from '../node/requests.ts'
import { modelNamed, startScoring } from '../node/scoring.ts'
import { startBare } from '../node/servers.ts'
import { keepBusy } from '../node/wrk.ts'

const warmUpSeconds = 2
const samplesTaken = 5
const secondsOfSample = 2

const [kind, modelName, form, connections, figure] = process.argv.slice(2)
const name = modelNamed(modelName)
const running = await (kind === 'selvedge'
  ? startScoring(name, availableParallelism())
  : startBare(new URL('../node/bare-scoring.ts', import.meta.url), name, ...(kind === 'bare-1' ? ['1'] : [])))
try {
  const { body, headers } = form === 'json' ? jsonRequest(name) : binaryRequest(name)
  const url = `${running.url}/v2/models/e/infer`
  const load = { body, headers, url, connections: Number(connections) }
  const answer = await answerTo(url, name)
  await keepBusy(load, warmUpSeconds)
  const samples: number[] = []
  for (let i = 0; i < samplesTaken; i++) {
    const busy = keepBusy(load, secondsOfSample)
    const healthMs = figure === 'health' ? await healthBeside(busy) : 0
    const { requestsPerSecond, p99Ms } = await busy
    samples.push(figure === 'health' ? healthMs : figure === 'p99' ? p99Ms : 1_000_000 / requestsPerSecond)
  }
  console.log(JSON.stringify({ unit: 'ms', samples, answer }))
} finally {
  await running.close()
}

/** The 99th percentile of `health`, one request after the other until the load ends. */
async function healthBeside(load: Promise<unknown>): Promise<number> {
  const connection = await openConnection(running.url)
  const request = requestText(running.url, 'GET', '/v2/health/live')
  let busy = true
  const ended = load.finally(() => {
    busy = false
  })
  ended.catch(() => undefined)
  const times: number[] = []
  while (busy) {
    const start = performance.now()
    await connection.ask(request)
    times.push(performance.now() - start)
  }
  connection.close()
  times.sort((a, b) => a - b)
  return times[Math.floor(times.length * 0.99)] ?? 0
}
