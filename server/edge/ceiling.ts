/** Ceiling: what fits into the memory of an isolate, which its platform ends without a word where it does not. */

import type { Plan } from '../../runtime/contract/plan.ts'
import { candidatesOf } from '../../runtime/delivery/candidates.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'

export interface Ceiling {
  /**
   * Takes room for the models of a plan, in place of those of the endpoint's plan before.
   *
   * @returns gives the room of the plan before again
   * @throws SelvedgeError `MODEL_LIMIT` where the models of all endpoints, twice over while they load, and ONNX Runtime
   * need more than an isolate has
   */
  claim(plan: Plan): () => void
}

export function openCeiling(): Ceiling {
  const claims = new Map<string, number>()
  const mostBytes = (limits.edgeMemoryBytes - limits.edgeRuntimeBytes) / 2

  return {
    claim(plan) {
      const { endpoint } = plan
      const before = claims.get(endpoint) ?? 0
      const own = modelBytes(plan)
      const beside = [...claims.values()].reduce((sum, bytes) => sum + bytes, 0) - before
      if (own + beside > mostBytes) {
        const others = beside === 0 ? '' : ` and those of other endpoints ${megabytes(beside)}`
        throw new SelvedgeError(
          'MODEL_LIMIT',
          `the models of ${endpoint} have ${megabytes(own)}${others}: an edge isolate takes ${megabytes(mostBytes)} in all`,
          { modelBytes: own, mostBytes },
        )
      }
      claims.set(endpoint, own)
      return () => claims.set(endpoint, before)
    },
  }
}

// A version under two names is loaded once; of its variants the one that the loader takes.
function modelBytes({ deployments }: Plan): number {
  const sizes = new Map<string, number>()
  for (const deployment of deployments) {
    const files = candidatesOf(deployment, ['wasm'])[0]?.variant.files ?? []
    const size = files.reduce((sum, file) => sum + file.size, 0)
    sizes.set(deployment.manifest, size)
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
