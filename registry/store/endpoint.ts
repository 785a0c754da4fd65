/** An endpoint as the store keeps it, and the part of it that says who gets what. */
import type { Audience } from '../../runtime/contract/audience.ts'
import type { Range, Scheme } from '../../runtime/contract/plan.ts'
import type { DeploymentState } from './deployment.ts'

export interface EndpointState {
  name: string
  createdAt: string
  /** `<endpoint>:<n>`, n counts how often an endpoint of this name was made; another one since units were dealt anew. */
  salt: string
  revision: number
  /** When the plan in force was signed, in ms since 1970. */
  issuedAt: number
  deployments: DeploymentState[]
  scheme: Scheme
  audience?: Audience | undefined
  ranges: Range[]
  shadow?: { deployment: string; ppm: number } | undefined
  /** The rollout that moves its traffic, and the deployments that may not change meanwhile. */
  rollout?: { id: string; deployments: string[] } | undefined
}

/** Who gets what of an endpoint: the same units as long as all of it is the same. */
export type Split = Pick<EndpointState, 'scheme' | 'salt' | 'audience' | 'ranges' | 'shadow'>

export function splitOf({ scheme, salt, audience, ranges, shadow }: Split): Split {
  return { scheme, salt, ...(audience && { audience }), ranges, ...(shadow && { shadow }) }
}

/** Equal for splits that give everybody the same. */
export function splitText({ scheme, salt, audience, ranges, shadow }: Split): string {
  return JSON.stringify([scheme, salt, audience ?? null, ranges, shadow ?? null])
}

/** With all of that split, and nothing of the one before. */
export function withSplit(state: EndpointState, split: Split): EndpointState {
  const { audience: _, shadow: __, ...rest } = state
  return { ...rest, ...splitOf(split) }
}
