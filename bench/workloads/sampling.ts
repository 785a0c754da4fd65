/** How a variant measures: the same everywhere, in Node and in a page. */

const warmUpRuns = 100
const sampleCount = 50
const leastSamples = 8
// A page's clock may stand still for 100 µs: a sample is the mean of many runs.
const runsPerSample = 20
const runsPerSlowSample = 4
// Of warming up, and again of sampling: networks that take long are run less often.
const mostMs = 2000

type Run = () => Promise<unknown>

/** Milliseconds a run. The runs follow each other, as in a queue. */
export async function sampleRuns(run: Run): Promise<number[]> {
  return (await sampleInTurn([run]))[0] ?? []
}

/** The same of several, a sample of each in turn, and each second time in the opposite order. */
export async function sampleInTurn(runs: readonly Run[]): Promise<number[][]> {
  const began = performance.now()
  let warmed = 0
  for (; warmed < warmUpRuns && performance.now() - began < mostMs; warmed++) for (const run of runs) await run()
  const each = warmed < warmUpRuns ? runsPerSlowSample : runsPerSample
  const warm = performance.now()
  const samples: number[][] = runs.map(() => [])
  const isEnough = (taken: number) => taken >= leastSamples && performance.now() - warm >= mostMs
  for (let taken = 0; taken < sampleCount && !isEnough(taken); taken++) {
    const order = [...runs.entries()]
    for (const [i, run] of taken % 2 === 0 ? order : order.reverse()) samples[i]?.push(await sample(run, each))
  }
  return samples
}

async function sample(run: Run, count: number): Promise<number> {
  const startedAt = performance.now()
  for (let i = 0; i < count; i++) await run()
  return (performance.now() - startedAt) / count
}
