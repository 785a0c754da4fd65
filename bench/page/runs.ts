/** What a run costs, asked from the page and in a loop in the worker. */
import { sampleInTurn } from '../workloads/sampling.ts'
import type { Measured, Subject, Task } from '../workloads/task.ts'
import { type Opened, openSubject } from './subject.ts'

export async function measureRuns({ subject, beside }: Extract<Task, { task: 'runs' }>): Promise<Measured> {
  const opened = await openSubject(subject)
  const other = beside && (await openSubject(beside))
  const [samples = [], others] = await sampleInTurn(other === undefined ? [opened.run] : [opened.run, other.run])
  const answer = await lastAnswer(subject, opened)
  await opened.close()
  await other?.close()
  return { samples, ...(others && { beside: others }), answer }
}

export async function measureRunsInside({ subject }: Extract<Task, { task: 'runs inside' }>): Promise<Measured> {
  const opened = await openSubject(subject)
  const samples = await opened.sampleInside()
  const answer = await lastAnswer(subject, opened)
  await opened.close()
  return { samples, answer }
}

async function lastAnswer(subject: Subject, opened: Opened): Promise<number[]> {
  const { data, provider } = await opened.run()
  if (provider !== subject.provider) throw new Error(`${provider} answered, want ${subject.provider}`)
  return Array.from(data)
}
