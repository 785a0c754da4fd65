/** One model on every execution provider of this machine, through Selvedge's sessions and through bare ONNX Runtime. */

import { nodeProviders } from '../../runtime/providers/node.ts'
import { chromiumPath } from '../../test/chromium.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'

/** Providers order their sums differently; between two of them the last digits of a float32 differ. */
const tolerance = 1e-5

export const scenario: Scenario = {
  name: 'providers',
  question: 'What does a Selvedge session cost over bare ONNX Runtime, and how fast is each provider?',
  baseline: 'Node cpu, bare',
  variants: [
    ...nodeVariants('cpu'),
    ...nodeVariants('wasm'),
    ...chromiumVariants('wasm'),
    ...chromiumVariants('webgpu'),
  ],
  check(answer, baseline) {
    const got = answer as number[]
    const wanted = baseline as number[]
    const worst = Math.max(...wanted.map((score, i) => Math.abs(score - (got[i] ?? Number.NaN))))
    if (got.length === wanted.length && worst <= tolerance) return undefined
    return `${got.length} scores, ${worst} off at most; want ${wanted.length} within ${tolerance}`
  },
}

function nodeVariants(provider: 'cpu' | 'wasm'): Variant[] {
  return (['bare', 'selvedge'] as const).map((kind) => ({
    name: `Node ${provider}, ${kind}`,
    command: [process.execPath, 'bench/variants/node.ts', provider, kind],
    against: kind === 'bare' ? 'Node cpu, bare' : `Node ${provider}, bare`,
    absent: async () => (await nodeProviders()).absent[provider],
  }))
}

function chromiumVariants(provider: 'wasm' | 'webgpu'): Variant[] {
  return (['bare', 'selvedge'] as const).map((kind) => ({
    name: `Chromium ${provider}, ${kind}`,
    command: [process.execPath, 'bench/variants/chromium.ts', provider, kind],
    against: kind === 'bare' ? 'Node cpu, bare' : `Chromium ${provider}, bare`,
    absent: () => (chromiumPath() === undefined ? 'no Chromium is installed' : undefined),
  }))
}
