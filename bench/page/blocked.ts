/** For how long the page's own thread is held while a model loads and runs. */
import type { Measured, Task } from '../workloads/task.ts'
import { openSubject } from './subject.ts'

export async function measureBlocked({ subject, runs }: Extract<Task, { task: 'blocked' }>): Promise<Measured> {
  const watch = watchThread()
  const opened = await openSubject(subject)
  let answer: number[] = []
  for (let i = 0; i < runs; i++) answer = Array.from((await opened.run()).data)
  const longestMs = await watch.end()
  await opened.close()
  return { samples: [longestMs], answer }
}

/** The longest task; where none was over 50 ms, which is what browsers tell, the longest wait of a timer. */
function watchThread(): { end(): Promise<number> } {
  const tasks: number[] = []
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) tasks.push(duration)
  })
  observer.observe({ type: 'longtask', buffered: true })
  let longestGap = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    longestGap = Math.max(longestGap, now - last)
    last = now
  })
  return {
    async end() {
      clearInterval(timer)
      // What was observed is told in a task of its own.
      await new Promise((resolve) => setTimeout(resolve, 0))
      for (const { duration } of observer.takeRecords()) tasks.push(duration)
      observer.disconnect()
      return tasks.length > 0 ? Math.max(...tasks) : longestGap
    },
  }
}
