/** `selvedge deploy`: serves a version under an endpoint; the endpoint is made where it is new. */
import type { Command } from 'commander'
import { openContext } from './context.ts'
import { type ModelReference, parseDeploymentReference, parseModelReference } from './names.ts'
import { findVersion } from './version/find.ts'

export function addDeploy(program: Command): void {
  program
    .command('deploy')
    .description('Serve a version of a model as a deployment; the first one of an endpoint takes all traffic.')
    .argument('<endpoint/deployment>', 'such as housing/green', parseDeploymentReference)
    .requiredOption(
      '--model <model[@version|@alias]>',
      'what to serve: the version itself, the one an alias names now, or the newest',
      parseModelReference,
    )
    .action(async (target: ReturnType<typeof parseDeploymentReference>, _, command: Command) => {
      const context = openContext<{ model: ModelReference }>(command)
      const { options, client, output } = context
      const { model, version } = await findVersion(client, options.model)
      const deployment = await client.putDeployment(target.endpoint, target.deployment, { model, version })
      const { traffic } = await client.endpoint(target.endpoint)
      const percent = traffic.split[target.deployment] ?? 0
      output.result({ endpoint: target.endpoint, deployment, percent }, () => {
        const where = `${target.endpoint}/${target.deployment}`
        const next =
          percent > 0
            ? ''
            : `Move traffic to it: selvedge traffic ${target.endpoint} ${target.deployment}=<percent> …\n`
        return `${where} serves ${model}@${version} and takes ${percent} % of the traffic.\n${next}`
      })
    })
}
