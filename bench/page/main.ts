/**
 * Does what a variant asks: `#<Task as JSON>`, of which `window.measured` is the outcome, and what it asks later of
 * `window.measure`.
 */
import { sampleCounting } from '../workloads/counting.ts'
import type { Measured, Task } from '../workloads/task.ts'
import { measureBlocked } from './blocked.ts'
import { measureDeviceLoss } from './device-loss.ts'
import { measureFirstAnswer, measureLoads } from './loads.ts'
import { measurePaced } from './paced.ts'
import { measureRuns, measureRunsInside } from './runs.ts'
import { measureSession } from './session.ts'
import { measureStore } from './store.ts'

declare global {
  interface Window {
    measured?: Promise<Measured>
    measure?: typeof measure
  }
}

window.measure = measure
window.measured = measure(JSON.parse(decodeURIComponent(location.hash.slice(1))))

function measure(task: Task): Promise<Measured> {
  switch (task.task) {
    case 'session':
      return measureSession(task)
    case 'runs':
      return measureRuns(task)
    case 'runs inside':
      return measureRunsInside(task)
    case 'paced':
      return measurePaced(task)
    case 'first answer':
      return measureFirstAnswer(task)
    case 'device loss':
      return measureDeviceLoss(task)
    case 'blocked':
      return measureBlocked(task)
    case 'loads':
      return measureLoads(task)
    case 'count':
      return sampleCounting(task.kind)
    case 'store':
      return measureStore(task)
  }
}
