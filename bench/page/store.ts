/** The page's model store, in a worker as it is used. */
import type { Measured, Task } from '../workloads/task.ts'

export function measureStore(task: Extract<Task, { task: 'store' }>): Promise<Measured> {
  const worker = new Worker(new URL('./store-worker.ts', import.meta.url), { type: 'module' })
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Measured | { error: string }>) =>
      'error' in data ? reject(new Error(data.error)) : resolve(data)
    worker.onerror = ({ message }) => reject(new Error(message))
    worker.postMessage(task)
  })
}
