/** A registry in a process of its own that dies at a step: told which by its parent, whom it tells its address and its steps. */

import { listen } from '../../../registry/listener.ts'
import { openRegistry } from '../../../registry/registry.ts'
import { armSteps, countedSteps, type KillPoint } from './steps.ts'

export type ToChild = { open: { dataDir: string; kill?: KillPoint | undefined } } | { count: true } | { disarm: true }
export type FromChild = { loaded: true } | { url: string } | { steps: number } | { disarmed: true }

const tell = (message: FromChild) => process.send?.(message)

process.on('disconnect', () => process.exit())
process.on('message', async (message: ToChild) => {
  if ('count' in message) return tell({ steps: countedSteps() })
  if ('disarm' in message) {
    armSteps(undefined)
    return tell({ disarmed: true })
  }
  const { dataDir, kill } = message.open
  armSteps(kill)
  // Refused to start: the parent sees the end.
  const registry = await openRegistry({ dataDir }).catch(() => process.exit(1))
  const listener = await listen(registry, '127.0.0.1', 0)
  tell({ url: listener.url })
})
tell({ loaded: true })
