/** `selvedge deploy`: serves a version under an endpoint; the endpoint is made where it is new. */
import type { Command } from 'commander'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { Client } from './client.ts'
import { openContext } from './context.ts'
import { type ModelReference, parseDeploymentReference, parseModelReference } from './names.ts'

export function addDeploy(program: Command): void {
  program
    .command('deploy')
    .description('Serve a version of a model as a deployment; the first one of an endpoint takes all traffic.')
    .argument('<endpoint/deployment>', 'such as housing/green', parseDeploymentReference)
    .requiredOption('--model <model[@version]>', 'what to serve; without a version the newest', parseModelReference)
    .action(async (target: ReturnType<typeof parseDeploymentReference>, _, command: Command) => {
      const { options, client, output } = openContext<{ model: ModelReference }>(command)
      const { model } = options.model
      const version = options.model.version ?? (await newestVersion(client, model))
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

async function newestVersion(client: Client, model: string): Promise<number> {
  const newest = (await client.versions(model)).at(-1)
  if (newest === undefined) throw new SelvedgeError('NAME_UNKNOWN', `model "${model}" has no version`)
  return newest.version
}
