/** Loading: how long until the first answer, and the same many times. */
import type { Measured, Task } from '../workloads/task.ts'
import { openSubject } from './subject.ts'

export async function measureFirstAnswer({ subject }: Extract<Task, { task: 'first answer' }>): Promise<Measured> {
  const opened = await openSubject(subject)
  const { data } = await opened.run()
  // Of the page's own clock, which starts with the navigation.
  const ms = performance.now()
  return { samples: [ms], answer: Array.from(data) }
}

export async function measureLoads({ subject, count }: Extract<Task, { task: 'loads' }>): Promise<Measured> {
  const samples: number[] = []
  let answer: number[] = []
  for (let i = 0; i < count; i++) {
    const began = performance.now()
    const opened = await openSubject(subject)
    answer = Array.from((await opened.run()).data)
    await opened.close()
    samples.push(performance.now() - began)
  }
  return { samples, answer }
}
