/** `selvedge deploy`: serves a version under an endpoint; the endpoint is made where it is new. */
import type { Command } from 'commander'
import { openContext } from './context.ts'
import { type ModelReference, parseDeploymentReference, parseModelReference } from './names.ts'
import { addResourceOptions, mergeResources, type ResourceOptions } from './resources.ts'
import { findVersion } from './version/find.ts'

export function addDeploy(program: Command): void {
  const deploy = program
    .command('deploy')
    .description('Serve a version of a model as a deployment; the first one of an endpoint takes all traffic.')
    .argument('<endpoint/deployment>', 'such as housing/green', parseDeploymentReference)
    .requiredOption(
      '--model <model[@version|@alias]>',
      'what to serve: the version itself, the one an alias names now, or the newest',
      parseModelReference,
    )
  addResourceOptions(deploy).action(
    async (target: ReturnType<typeof parseDeploymentReference>, _, command: Command) => {
      const context = openContext<{ model: ModelReference } & ResourceOptions>(command)
      const { options, client, output } = context
      const { model, version } = await findVersion(client, options.model)
      const held = await client.deployment(target.endpoint, target.deployment)
      const resources = mergeResources(options, held?.resources)
      const deployment = await client.putDeployment(target.endpoint, target.deployment, { model, version, resources })
      const { traffic } = await client.endpoint(target.endpoint)
      const percent = traffic.split[target.deployment] ?? 0
      output.result({ endpoint: target.endpoint, deployment, percent }, () => {
        const where = `${target.endpoint}/${target.deployment}`
        const next =
          percent > 0
            ? ''
            : `Move traffic to it: selvedge traffic ${target.endpoint} ${target.deployment}=<percent> …\n`
        const fixed = Object.entries(resources).map(([name, value]) => `${name} ${value}`)
        const within = fixed.length === 0 ? '' : ` within ${fixed.join(', ')}`
        return `${where} serves ${model}@${version}${within} and takes ${percent} % of the traffic.\n${next}`
      })
    },
  )
}
