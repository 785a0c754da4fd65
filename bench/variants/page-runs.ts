/**
 * Runs in a fresh Chromium: `node bench/variants/page-runs.ts <model> <wasm|webgpu> <bare|selvedge|peer|inside>`.
 * Those through Selvedge or the peer are taken in turn with bare ones; `inside` is a loop in the bare worker.
 */
import { withStand } from '../chromium/stand.ts'
import { isModel } from '../workloads/models.ts'
import type { Task } from '../workloads/task.ts'

const [model, provider, way] = process.argv.slice(2)
if (!isModel(model) || (provider !== 'wasm' && provider !== 'webgpu')) throw new Error(`got ${model} on ${provider}`)
await withStand({ model, hasGpu: provider === 'webgpu' }, async ({ subject, visit }) => {
  const bare = subject('bare', provider)
  const tasks: Record<string, Task> = {
    bare: { task: 'runs', subject: bare },
    selvedge: { task: 'runs', subject: subject('selvedge', provider), beside: bare },
    peer: { task: 'runs', subject: subject('peer', provider), beside: bare },
    inside: { task: 'runs inside', subject: bare },
  }
  const task = tasks[way ?? '']
  if (task === undefined) throw new Error(`got ${way}, want ${Object.keys(tasks).join(', ')}`)
  return { unit: 'ms', ...(await visit(task)) }
})
