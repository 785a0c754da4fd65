/** How a variant measures: the same everywhere, in Node and in a page. */

const warmUpRuns = 100
const sampleCount = 50
const leastSamples = 8
// A page's clock may stand still for 100 µs: a sample is the mean of many runs.
const runsPerSample = 20
// Of warming up, and again of sampling: networks that take long are run less often.
const mostMs = 2000

/** Milliseconds a run. The runs follow each other, as in a queue. */
export async function sampleRuns(run: () => Promise<unknown>): Promise<number[]> {
  const began = performance.now()
  let warmed = 0
  while (warmed < warmUpRuns && performance.now() - began < mostMs) {
    await run()
    warmed++
  }
  const runs = warmed < warmUpRuns ? 1 : runsPerSample
  const warm = performance.now()
  const samples: number[] = []
  while (samples.length < leastSamples || (samples.length < sampleCount && performance.now() - warm < mostMs)) {
    const startedAt = performance.now()
    for (let i = 0; i < runs; i++) await run()
    samples.push((performance.now() - startedAt) / runs)
  }
  return samples
}
