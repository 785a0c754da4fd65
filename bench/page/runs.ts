/** What a run costs, asked from the page. */
import { sampleRuns } from '../workloads/sampling.ts'
import type { Measured, Task } from '../workloads/task.ts'
import { openSubject } from './subject.ts'

export async function measureRuns({ subject, inside }: Extract<Task, { task: 'runs' }>): Promise<Measured> {
  const opened = await openSubject(subject)
  const samples = inside ? await opened.sampleInside() : await sampleRuns(opened.run)
  const { data, provider } = await opened.run()
  if (provider !== subject.provider) throw new Error(`${provider} answered, want ${subject.provider}`)
  await opened.close()
  return { samples, answer: Array.from(data) }
}
