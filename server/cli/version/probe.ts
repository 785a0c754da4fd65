/** What the registry's probe found of a version that was pushed just now. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ModelVersion } from '../../../runtime/contract/control.ts'
import { limits } from '../../../runtime/limits.ts'
import type { Context } from '../context.ts'

const everyMs = 150

/** Waits while it is pending, as long as a probe may take; others may be before it. */
export async function waitForProbe(
  { client, output }: Pick<Context<unknown>, 'client' | 'output'>,
  model: string,
  version: number,
): Promise<ModelVersion['probe']> {
  const progress = output.progress(`The registry loads and runs ${model}@${version} once`)
  const until = performance.now() + limits.loadMs + limits.runMs
  try {
    for (;;) {
      const { probe } = await client.version(model, version)
      if (probe.state !== 'pending' || performance.now() > until) return probe
      await sleep(everyMs)
    }
  } finally {
    progress.end()
  }
}

export function renderProbe({ state, why, ort }: ModelVersion['probe']): string {
  if (state === 'failed') return `failed, so it cannot be deployed: ${why}`
  if (state === 'not-scorable') return `none, it is not scorable here: ${why}`
  if (state === 'skipped') return `skipped: ${why}`
  return state === 'passed' ? `passed, with ONNX Runtime ${ort}` : 'not probed yet'
}
