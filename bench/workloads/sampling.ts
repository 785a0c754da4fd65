/** How a variant measures: the same everywhere, in Node and in a page. */

const warmUpRuns = 100
const sampleCount = 50
// A page's clock may stand still for 100 µs: a sample is the mean of many runs.
const runsPerSample = 20

/** Milliseconds a run. The runs follow each other, as in a queue. */
export async function sampleRuns(run: () => Promise<unknown>): Promise<number[]> {
  for (let i = 0; i < warmUpRuns; i++) await run()
  const samples: number[] = []
  while (samples.length < sampleCount) {
    const startedAt = performance.now()
    for (let i = 0; i < runsPerSample; i++) await run()
    samples.push((performance.now() - startedAt) / runsPerSample)
  }
  return samples
}
