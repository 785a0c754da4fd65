/**
 * Reads a file of 200 MiB from the page's store in a new browser, the system's cache of it dropped:
 * `node bench/variants/store-read.ts <bare|selvedge|buffer> <time|peak>`. `buffer` reads nothing and makes the bytes.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { memoryOf, renderers } from '../chromium/memory.ts'
import { withStand } from '../chromium/stand.ts'

const chunks = 50
const reads = 2
const pollMs = 3

const [work, figure] = process.argv.slice(2)
if (work !== 'bare' && work !== 'selvedge' && work !== 'buffer') throw new Error(`got ${work}`)
await withStand({ hasGpu: false }, async ({ visit, profile }) => {
  const into = work === 'selvedge' ? work : 'bare'
  const filled = await visit({ task: 'store', work: 'fill', into, count: chunks })
  const task = { task: 'store', work, chunks: filled.answer as string[] } as const
  let answer: unknown
  const samples: number[] = []
  for (let i = 0; i < reads; i++) {
    dropCache(profile)
    let isRead = false
    let peakBytes = 0
    const measured = await visit(task, async (_, read) => {
      void read.finally(() => {
        isRead = true
      })
      // Looking costs time: what is timed is not watched.
      const watched = figure === 'peak' ? renderers() : []
      while (watched.length > 0 && !isRead) {
        peakBytes = Math.max(peakBytes, memoryOf(watched))
        await wait(pollMs)
      }
    })
    answer = measured.answer
    samples.push(...(figure === 'peak' ? [peakBytes] : measured.samples))
  }
  return { unit: figure === 'peak' ? 'bytes' : 'ms', samples, answer }
})

// Only an advice to the system, which needs no right.
function dropCache(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    spawnSync('dd', [`if=${join(entry.parentPath, entry.name)}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' })
  }
}
