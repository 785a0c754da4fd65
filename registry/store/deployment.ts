/** A deployment as the store keeps it: one version, or an ensemble of some. */
import type { EnsembleSignature, EnsembleStep } from '../../runtime/contract/ensemble.ts'
import type { Resources } from '../../runtime/contract/resources.ts'

export type DeploymentState = VersionDeployment | EnsembleDeployment

export interface VersionDeployment extends Deployed {
  kind?: undefined
  model: string
}

export interface EnsembleDeployment extends Deployed, EnsembleSignature {
  kind: 'ensemble'
  model?: undefined
  /** In an order in which they can run. */
  steps: EnsembleStep[]
}

interface Deployed {
  name: string
  /** Of the model; of an ensemble, the revision of the plan with which its steps came. */
  version: number
  resources?: Resources | undefined
  createdAt: string
}

/** What it needs to be served. */
export function versionsOf(deployment: DeploymentState): { model: string; version: number }[] {
  return deployment.kind === 'ensemble' ? deployment.steps : [deployment]
}
