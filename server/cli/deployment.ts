/** What a deployment is made of, for those that show it. */
import type { Deployment } from '../../runtime/contract/control.ts'

/** The version that it serves, or those of its steps in the order in which they run. */
export function versionsIn(deployment: Deployment): { model: string; version: number }[] {
  return 'steps' in deployment ? deployment.steps : [deployment]
}

export function renderVersions(deployment: Deployment): string {
  return versionsIn(deployment)
    .map(({ model, version }) => `${model}@${version}`)
    .join(' → ')
}
