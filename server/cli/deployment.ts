/** What a deployment is made of, for those that show it. */
import type { Deployment } from '../../runtime/contract/control.ts'

/** The version that it serves, or those of its steps in the order in which they run. */
export function versionsIn(deployment: Deployment): { model: string; version: number }[] {
  return 'steps' in deployment ? deployment.steps : [deployment]
}

/** Its versions, and the resources that are fixed. */
export function renderServed(deployment: Deployment): string {
  const versions = versionsIn(deployment).map(({ model, version }) => `${model}@${version}`)
  const fixed = Object.entries(deployment.resources ?? {}).map(([name, value]) => `${name} ${value}`)
  return `${versions.join(' → ')}${fixed.length === 0 ? '' : ` within ${fixed.join(', ')}`}`
}
