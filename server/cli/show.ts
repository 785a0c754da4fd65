/** `selvedge show`: one version with its files, signature, aliases, and where it is served. */
import type { Command } from 'commander'
import type { Endpoint, ModelVersion } from '../../runtime/contract/control.ts'
import { type Context, openContext } from './context.ts'
import { versionsIn } from './deployment.ts'
import { type ModelReference, parseModelReference } from './names.ts'
import { readManifest } from './oci.ts'
import { plain, renderAge, renderBytes, renderTable } from './table.ts'
import { filesOf, type VersionFiles } from './version/files.ts'
import { findVersion } from './version/find.ts'
import { renderProbe } from './version/probe.ts'
import { renderSignature } from './version/summary.ts'

export interface Shown extends ModelVersion, VersionFiles {
  newestVersion: number
  /** Names that point to it now. */
  aliases: string[]
  served: { endpoint: string; deployment: string; percent: number; shadowPercent: number }[]
}

export function addShow(program: Command): void {
  program
    .command('show')
    .description('Show a version: files, signature, tags, aliases, and where it is served.')
    .argument('<model[@version|@alias]>', 'such as housing, housing@2 or housing@champion', parseModelReference)
    .action(async (reference: ModelReference, _, command: Command) => {
      const context = openContext(command)
      const shown = await readShown(context, reference)
      context.output.result(shown, () => renderShown(shown, Date.now()))
    })
}

async function readShown(context: Context<object>, reference: ModelReference): Promise<Shown> {
  const { client, registry } = context
  const version = await findVersion(client, reference)
  const { model, manifest } = version
  const [image, aliases, endpoints, newest] = await Promise.all([
    readManifest(registry, model, manifest),
    client.aliases(model),
    client.endpoints(),
    findVersion(client, { model }),
  ])
  const served = endpoints.flatMap((endpoint) => servedBy(endpoint, version))
  const pointing = aliases.filter((each) => each.version === version.version).map(({ alias }) => alias)
  return { ...version, ...filesOf(image), newestVersion: newest.version, aliases: pointing, served }
}

function servedBy({ name, deployments, traffic }: Endpoint, { model, version }: ModelVersion): Shown['served'] {
  const { split, shadow } = traffic
  return deployments
    .filter((each) => versionsIn(each).some((served) => served.model === model && served.version === version))
    .map((deployment) => ({
      endpoint: name,
      deployment: deployment.name,
      percent: split[deployment.name] ?? 0,
      shadowPercent: shadow?.deployment === deployment.name ? shadow.percent : 0,
    }))
}

export function renderShown(shown: Shown, now: number): string {
  const { model, version, newestVersion, manifest, createdAt, sizeBytes, why, tags, aliases, served, files } = shown
  const { description } = shown
  const { provenance = {}, environment } = description ?? {}
  const rows: [string, string | undefined][] = [
    [
      'version',
      `${model}@${version}${version === newestVersion ? ', the newest' : `; the newest is ${newestVersion}`}`,
    ],
    ['digest', manifest],
    ['made', `${renderAge(createdAt, now)}, ${createdAt}`],
    ['why', why],
    ['tags', renderPairs(tags)],
    ['aliases', aliases.join(', ')],
    ['served', served.map(renderServed).join(', ') || 'nowhere'],
    ['profile', description && (shown.hasProfile ? 'yes' : 'no: hosts count rows and errors, not what is in them')],
    ['probe', renderProbe(shown.probe)],
    ['golden', description && (shown.hasGolden ? 'yes' : 'no: hosts cannot check their answers')],
    ['needs', environment],
    ['run', provenance.run],
    ['git', provenance.git],
    ['data', provenance.datasets?.join(', ')],
    ['command', provenance.command],
    ['metrics', renderPairs(provenance.metrics ?? {})],
  ]
  const facts = rows.filter(([, value]) => value).map(([name, value]) => `${name.padEnd(7)}  ${plain(value ?? '')}\n`)
  const table = renderTable(
    [{ title: 'FILE' }, { title: 'SIZE', align: 'right' }, { title: 'SHA256' }],
    [
      ...files.map(({ path, size, digest }) => [path, renderBytes(size), digest.slice(7, 19)]),
      ...shown.leftOut.map((digest) => ['(no single file)', '', digest.slice(7, 19)]),
      ['all', renderBytes(sizeBytes), ''],
    ],
  )
  return `${facts.join('')}\n${table}${description ? `\n${renderSignature(description)}` : ''}`
}

function renderServed({ endpoint, deployment, percent, shadowPercent }: Shown['served'][number]): string {
  const shadow = shadowPercent > 0 ? ` and shadows ${shadowPercent} %` : ''
  return `${endpoint}/${deployment} ${percent} %${shadow}`
}

function renderPairs(pairs: Readonly<Record<string, string | number>>): string {
  return Object.entries(pairs)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ')
}
