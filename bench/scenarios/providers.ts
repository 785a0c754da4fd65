/** One model on every execution provider of this machine, through Selvedge's sessions and through bare ONNX Runtime. */

import { nodeProviders } from '../../runtime/providers/node.ts'
import { absentChromium } from '../chromium/stand.ts'
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'

const tolerance = 1e-5

export const scenario: Scenario = {
  name: 'providers',
  question: 'What does a Selvedge session cost over bare ONNX Runtime, and how fast is each provider?',
  baseline: 'Node cpu, bare',
  variants: [
    ...nodeVariants('cpu'),
    ...nodeVariants('wasm'),
    ...nodeVariants('cuda'),
    ...chromiumVariants('wasm'),
    ...chromiumVariants('webgpu'),
  ],
  check: (answer, against) => checkNumbers(answer, against, tolerance),
}

function nodeVariants(provider: 'cpu' | 'wasm' | 'cuda'): Variant[] {
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
    absent: absentChromium,
  }))
}
