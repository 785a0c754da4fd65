/** Requests at times that nobody can foresee: a new one comes without regard to whether another is under way. */
import { quantile } from '../harness/statistics.ts'
import type { Measured, Task } from '../workloads/task.ts'
import { type Opened, openSubject } from './subject.ts'

const blocks = 3
const requests = 100
const meanGapMs = 100
const warmUpRequests = 20
/** So that nothing of a block runs in the next. */
const restMs = 1000

export async function measurePaced({ subject, beside }: Extract<Task, { task: 'paced' }>): Promise<Measured> {
  const opened = await openSubject(subject)
  const other = beside && (await openSubject(beside))
  const samples: number[] = []
  const others: number[] = []
  for (const each of other === undefined ? [opened] : [opened, other]) await latencies(each, warmUpRequests)
  for (let block = 0; block < blocks; block++) {
    const own = async () => samples.push(await blockOf(opened))
    const theirs = async () => other && others.push(await blockOf(other))
    for (const take of block % 2 === 0 ? [own, theirs] : [theirs, own]) await take()
  }
  const { data } = await opened.run()
  await opened.close()
  await other?.close()
  return { samples, ...(other && { beside: others }), answer: Array.from(data) }
}

async function blockOf(opened: Opened): Promise<number> {
  await pause(restMs)
  return quantile(await latencies(opened, requests), 0.95)
}

async function latencies(opened: Opened, count: number): Promise<number[]> {
  const taken: Promise<number>[] = []
  for (let i = 0; i < count; i++) {
    taken.push(time(opened))
    await pause(-Math.log(1 - Math.random()) * meanGapMs)
  }
  return await Promise.all(taken)
}

async function time(opened: Opened): Promise<number> {
  const began = performance.now()
  await opened.run()
  return performance.now() - began
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
