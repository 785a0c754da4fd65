/**
 * Peak memory of the page's processes from the model's bytes, which are in the store or the HTTP cache, to the first
 * answer, over what they had before: `node bench/variants/session-memory.ts <model> <bare|selvedge>`, in times of the
 * model's size.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { memoryOf, renderers } from '../chromium/memory.ts'
import { withStand } from '../chromium/stand.ts'
import { isModel, models } from '../workloads/models.ts'

const loads = 2
const pollMs = 3

const [model, kind] = process.argv.slice(2)
if (!isModel(model) || (kind !== 'bare' && kind !== 'selvedge')) throw new Error(`got ${model}, ${kind}`)
const modelBytes = models[model].read().length
await withStand({ model, hasGpu: false }, async ({ subject, visit }) => {
  const task = { task: 'loads', subject: subject(kind, 'wasm') } as const
  await visit({ ...task, count: 1 })
  const samples: number[] = []
  let answer: unknown
  for (let i = 0; i < loads; i++) {
    await visit({ ...task, count: 0 }, async (page, opened) => {
      await opened
      const startBytes = memoryOf(renderers())
      let peakBytes = startBytes
      let isDone = false
      const measuring = page.evaluate<{ answer: unknown }>(`measure(${JSON.stringify({ ...task, count: 1 })})`)
      const done = measuring.finally(() => {
        isDone = true
      })
      while (!isDone) {
        peakBytes = Math.max(peakBytes, memoryOf(renderers()))
        await wait(pollMs)
      }
      answer = (await done).answer
      samples.push((peakBytes - startBytes) / modelBytes)
    })
  }
  return { unit: 'times', samples, answer }
})
