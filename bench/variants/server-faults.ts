/**
 * What a scoring server makes of trouble: `node bench/variants/server-faults.ts <gap|goodput|refusal|recovery>`.
 *
 * `gap`: the longest time without an answer when a scorer is killed under 16 callers, none of whom may be refused.
 * The others ask at ten times the rate that it can answer: `goodput` is what it answers then over what it answers at
 * most, `refusal` the 99th percentile of how long a refusal takes, `recovery` how long after that load a request takes
 * more than twice as long as without load.
 */
import { availableParallelism } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { openConnection, requestText, statusOf } from '../node/connection.ts'
import { type Callers, openCallers } from '../node/open-loop.ts'
import { answerTo, jsonRequest } from '../node/requests.ts'
import { startScoring } from '../node/scoring.ts'
import { childrenOf } from '../node/servers.ts'

const figure = process.argv[2]
// Some 15 milliseconds of work behind a body of 6 kB: what is refused costs little to send.
const name = figure === 'gap' ? 'small' : 'slow'
const running = await startScoring(name, availableParallelism())
const url = `${running.url}/v2/models/e/infer`
const { text } = jsonRequest(name)
const request = requestText(running.url, 'POST', '/v2/models/e/infer', ['content-type: application/json'], text)
try {
  const answer = await answerTo(url, name)
  const samples = await (figure === 'gap' ? killScorers(5) : overload(3))
  console.log(JSON.stringify({ unit: figure === 'goodput' ? 'times' : 'ms', samples, answer }))
} finally {
  await running.close()
}

async function killScorers(times: number): Promise<number[]> {
  const gaps: number[] = []
  const load = await keepAsking(16)
  await wait(2000)
  for (let i = 0; i < times; i++) {
    const [scorer] = childrenOf(running.pid)
    const before = performance.now()
    process.kill(scorer ?? 0, 'SIGKILL')
    await wait(2000)
    gaps.push(load.longestGap(before))
  }
  await load.stop()
  return gaps
}

async function overload(times: number): Promise<number[]> {
  const warm = await keepAsking(16)
  await wait(3000)
  await warm.stop()
  const peak = warm.count() / 3
  const callers = openCallers(url, text)
  const samples: number[] = []
  try {
    for (let i = 0; i < times; i++) samples.push(await overloadOnce(callers, peak))
  } finally {
    callers.close()
  }
  return samples
}

/** @param peak - requests that it answers a second at most */
async function overloadOnce(callers: Callers, peak: number): Promise<number> {
  const calmMs = quantile(
    (await callers.arrive(peak / 4, 2)).map(({ ms }) => ms),
    0.95,
  )
  const began = performance.now()
  const arrivals = await callers.arrive(peak * 10, 3)
  const ended = performance.now()
  const good = arrivals.filter(({ status }) => status === 200)
  const refused = arrivals.filter(({ status }) => status === 503).map(({ ms }) => ms)
  const lost = arrivals.length - good.length - refused.length
  if (lost > 0) throw new Error(`${lost} of ${arrivals.length} requests were answered neither with 200 nor with 503`)
  if (figure === 'goodput') return good.length / ((ended - began) / 1000) / peak
  if (figure === 'refusal') return quantile(refused, 0.99)
  return await recoveryMs(callers, calmMs, ended)
}

async function recoveryMs(callers: Callers, calmMs: number, since: number): Promise<number> {
  while (performance.now() - since < 30_000) {
    const [one] = await callers.arrive(20, 0.05)
    if (one?.status === 200 && one.ms <= 2 * calmMs) return one.at - since
  }
  throw new Error('it did not recover within 30 s')
}

/** Callers that ask again as soon as they are answered. */
async function keepAsking(connections: number) {
  const open = await Promise.all(Array.from({ length: connections }, () => openConnection(running.url)))
  const answered: number[] = []
  let stopped = false
  const asking = open.map(async (connection) => {
    while (!stopped) {
      const status = statusOf(await connection.ask(request))
      if (status !== 200) throw new Error(`a request was answered with ${status}`)
      answered.push(performance.now())
    }
    connection.close()
  })
  return {
    count: () => answered.length,
    longestGap: (since: number) =>
      answered.slice(1).reduce((most, at, i) => (at < since ? most : Math.max(most, at - (answered[i] ?? at))), 0),
    async stop() {
      stopped = true
      await Promise.all(asking)
    },
  }
}

function quantile(values: number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? 0
}
