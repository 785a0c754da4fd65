/**
 * A later visit, from navigation to the first answer on WASM, in new browsers with the profile of a first visit:
 * `node bench/variants/page-first-answer.ts <model> <bare|selvedge>`.
 */
import { withStand } from '../chromium/stand.ts'
import { isModel } from '../workloads/models.ts'

const visits = 3

const [model, kind] = process.argv.slice(2)
if (!isModel(model) || (kind !== 'bare' && kind !== 'selvedge')) throw new Error(`got ${model}, ${kind}`)
await withStand({ model, hasGpu: false }, async ({ subject, visit }) => {
  const task = { task: 'first answer', subject: subject(kind, 'wasm') } as const
  const { answer } = await visit(task)
  const samples: number[] = []
  for (let i = 0; i < visits; i++) samples.push(...(await visit(task)).samples)
  return { unit: 'ms', samples, answer }
})
