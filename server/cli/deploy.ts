/** `selvedge deploy`: serves a version or an ensemble under an endpoint; the endpoint is made where it is new. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { DeploymentBody } from '../../runtime/contract/control.ts'
import { ensemble } from '../../runtime/contract/ensemble.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { Client } from './client.ts'
import { openContext } from './context.ts'
import { renderServed } from './deployment.ts'
import { type ModelReference, parseDeploymentReference, parseModelReference } from './names.ts'
import { addResourceOptions, mergeResources, type ResourceOptions } from './resources.ts'
import { findVersion } from './version/find.ts'

interface Served {
  model?: ModelReference
  ensemble?: string
}

export function addDeploy(program: Command): void {
  const deploy = program
    .command('deploy')
    .description('Serve a version of a model as a deployment; the first one of an endpoint takes all traffic.')
    .argument('<endpoint/deployment>', 'such as housing/green', parseDeploymentReference)
    .option(
      '--model <model[@version|@alias]>',
      'what to serve: the version itself, the one an alias names now, or the newest',
      parseModelReference,
    )
    .option('--ensemble <file>', 'in place of --model: JSON with the steps and outputs of an ensemble of versions')
  addResourceOptions(deploy).action(
    async (target: ReturnType<typeof parseDeploymentReference>, _, command: Command) => {
      const context = openContext<Served & ResourceOptions>(command)
      const { options, client, output } = context
      const served = await servedBy(client, options)
      const held = await client.deployment(target.endpoint, target.deployment)
      const resources = mergeResources(options, held?.resources)
      const deployment = await client.putDeployment(target.endpoint, target.deployment, { ...served, resources })
      const { traffic } = await client.endpoint(target.endpoint)
      const percent = traffic.split[target.deployment] ?? 0
      output.result({ endpoint: target.endpoint, deployment, percent }, () => {
        const where = `${target.endpoint}/${target.deployment}`
        const next =
          percent > 0
            ? ''
            : `Move traffic to it: selvedge traffic ${target.endpoint} ${target.deployment}=<percent> …\n`
        return `${where} serves ${renderServed(deployment)} and takes ${percent} % of the traffic.\n${next}`
      })
    },
  )
}

async function servedBy(client: Client, { model: wanted, ensemble: file }: Served): Promise<DeploymentBody> {
  if (wanted !== undefined && file === undefined) {
    const { model, version } = await findVersion(client, wanted)
    return { model, version }
  }
  if (wanted === undefined && file !== undefined) return await readEnsemble(file)
  throw new SelvedgeError('USAGE', `required option '--model' or '--ensemble', one of the two`)
}

const document = ensemble.omit({ kind: true, resources: true })

async function readEnsemble(file: string): Promise<DeploymentBody> {
  const content = await readFile(file, 'utf8').catch((cause) => {
    throw new SelvedgeError('USAGE', `"${file}" is not there or cannot be read`, {}, { cause })
  })
  const parsed = document.safeParse(parseJson(content))
  if (parsed.success) return { kind: 'ensemble', ...parsed.data }
  const issue = parsed.error.issues[0]
  const where = issue?.path.join('.') || 'the file'
  throw new SelvedgeError('USAGE', `"${file}" is no {"steps": […], "outputs": […]}: ${where}: ${issue?.message}`)
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    return undefined
  }
}
