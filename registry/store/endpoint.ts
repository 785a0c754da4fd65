/** An endpoint as the store keeps it. */
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
