import { readFileSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Plan, plan as planSchema } from '../../../runtime/contract/plan.ts'
import { type Ceiling, openCeiling } from '../../../server/edge/ceiling.ts'

const golden = planSchema.parse(JSON.parse(readFileSync(new URL('../../contract/plan.json', import.meta.url), 'utf8')))

// (128 MiB − 14 MiB) / 2
const mostBytes = 59_768_832

/** A plan whose deployments have models of these sizes; each is another version unless `manifest` says so. */
function planOf(endpoint: string, sizes: readonly number[], manifest?: string): Plan {
  const [first] = golden.deployments
  if (first === undefined) throw new Error('the golden plan has no deployment')
  const deployments = sizes.map((size, i) => ({
    ...first,
    name: `d${i}`,
    manifest: (manifest ?? `sha256:${String(i).repeat(64)}`) as typeof first.manifest,
    variants: [
      { id: 'fp16', providers: ['webgpu' as const], files: [file(2 ** 40)] },
      { id: 'fp32', providers: ['webgpu' as const, 'wasm' as const], files: [file(size)] },
    ],
  }))
  return { ...golden, endpoint, deployments }
}

function file(size: number) {
  return { path: 'model.onnx', digest: `sha256:${'a'.repeat(64)}` as const, size, chunks: [] }
}

describe('the ceiling of an isolate', () => {
  let ceiling: Ceiling

  beforeEach(() => {
    ceiling = openCeiling()
  })

  test('takes models whose bytes, twice over, fit beside ONNX Runtime, and not one byte more', () => {
    ceiling.claim(planOf('e', [mostBytes]))
    expect(() => ceiling.claim(planOf('e', [mostBytes + 1]))).toThrow(
      expect.objectContaining({ code: 'MODEL_LIMIT', detail: { modelBytes: mostBytes + 1, mostBytes } }),
    )
  })

  test('counts all deployments of a plan, a version under two names once', () => {
    expect(() => ceiling.claim(planOf('e', [mostBytes, 1]))).toThrow('59.8 MB')
    ceiling.claim(planOf('e', [mostBytes, mostBytes], `sha256:${'f'.repeat(64)}`))
  })

  test('counts the other endpoints, and not what the endpoint itself had before', () => {
    ceiling.claim(planOf('e', [30_000_000]))
    ceiling.claim(planOf('e', [40_000_000]))
    expect(() => ceiling.claim(planOf('f', [20_000_000]))).toThrow(
      'the models of f have 20.0 MB and those of other endpoints 40.0 MB: an edge isolate takes 59.8 MB in all',
    )
    ceiling.claim(planOf('f', [19_000_000]))
  })

  test('has the room of the plan before again when a plan could not be loaded', () => {
    ceiling.claim(planOf('e', [10_000_000]))
    const giveBack = ceiling.claim(planOf('e', [50_000_000]))
    giveBack()
    ceiling.claim(planOf('f', [49_000_000]))
  })
})
