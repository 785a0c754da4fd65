/** `selvedge traffic`: shows or sets how an endpoint's traffic is split. */
import { type Command, InvalidArgumentError } from 'commander'
import type { Endpoint, ShadowSum, Traffic } from '../../runtime/contract/control.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { openContext } from './context.ts'
import { parseName } from './names.ts'
import { renderTable } from './table.ts'

export function addTraffic(program: Command): void {
  program
    .command('traffic')
    .description('Show or set the split of an endpoint in percent; deployments that are not named get none.')
    .argument('<endpoint>', 'such as housing', parseName)
    .argument('[deployment=percent...]', 'such as blue=90 green=10', collectShare)
    .option(
      '--shadow <deployment=percent>',
      'is asked the same after the answer, and told apart; none ends it',
      parseShadow,
    )
    .action(async (endpoint: string, shares: Record<string, number> | [], _, command: Command) => {
      const { client, output, options } = openContext<{ shadow?: Shadow }>(command)
      const held = await client.traffic(endpoint)
      const split = Array.isArray(shares) ? held.traffic.split : fullSplit(await client.endpoint(endpoint), shares)
      const { deployment, percent } = options.shadow ?? held.traffic.shadow ?? {}
      const wanted = {
        split,
        ...(deployment !== undefined && percent !== undefined && { shadow: { deployment, percent } }),
      }
      const isAsked = !Array.isArray(shares) || options.shadow !== undefined
      const changed = isAsked ? await client.putTraffic(endpoint, wanted, held.etag) : held.traffic
      const shadows = changed.shadow === undefined ? [] : await client.shadows(endpoint, sinceYesterday())
      output.result(
        { endpoint, ...changed, ...(shadows.length > 0 && { shadows }) },
        () => renderTraffic(endpoint, changed) + shadows.map(renderShadow).join(''),
      )
    })
}

export function renderTraffic(endpoint: string, { split, shadow }: Traffic): string {
  const rows = Object.entries(split).map(([deployment, percent]) => [`${endpoint}/${deployment}`, `${percent} %`])
  const shadowed = shadow === undefined ? '' : `shadow: ${shadow.percent} % also to ${shadow.deployment}\n`
  if (rows.length === 0) return `${endpoint} has no deployment.\n${shadowed}`
  return renderTable([{ title: 'DEPLOYMENT' }, { title: 'TRAFFIC', align: 'right' }], rows) + shadowed
}

function sinceYesterday(): string {
  return new Date(Date.now() - 24 * 3600_000).toISOString()
}

/** What a shadow would have answered since yesterday. */
export function renderShadow({ deployment, version, against, ...counts }: ShadowSum): string {
  const { rows, flips, differenceMillionths, skipped, errors } = counts
  const failed = Object.entries(errors).map(([code, count]) => `, ${count} × ${code}`)
  const found =
    rows === 0
      ? 'nothing compared yet'
      : `${rows} ${rows === 1 ? 'row' : 'rows'} compared, mean difference ${Number((differenceMillionths / 1e6 / rows).toPrecision(3))}, ${percentOf(flips, rows)} % with another class`
  return `  ${deployment}@${version} beside ${against.deployment}@${against.version}: ${found}, ${skipped} requests skipped${failed.join('')}\n`
}

function percentOf(part: number, whole: number): number {
  return Number(((100 * part) / whole).toPrecision(3))
}

/** Collects `blue=90 green=10`; a decimal number as people write it, its limits are the registry's. */
export function collectShare(text: string, before: Record<string, number> | undefined): Record<string, number> {
  const [, deployment = '', percent = ''] = /^([^=]+)=(-?\d+(?:\.\d+)?)%?$/.exec(text) ?? []
  if (deployment === '') throw new InvalidArgumentError('Want <deployment>=<percent>, such as blue=90.')
  if (before !== undefined && Object.hasOwn(before, deployment)) {
    throw new InvalidArgumentError(`"${deployment}" stands there twice.`)
  }
  return { ...before, [parseName(deployment)]: Number(percent) }
}

/** Empty where there is to be none. */
type Shadow = Partial<NonNullable<Traffic['shadow']>>

/** `green=20`, or `none`. */
export function parseShadow(text: string): Shadow {
  if (text === 'none') return {}
  const [[deployment, percent] = []] = Object.entries(collectShare(text, undefined))
  return deployment === undefined || percent === undefined ? {} : { deployment, percent }
}

function fullSplit({ deployments }: Endpoint, shares: Record<string, number>): Record<string, number> {
  const names = deployments.map(({ name }) => name)
  const unknown = Object.keys(shares).find((deployment) => !names.includes(deployment))
  if (unknown !== undefined) {
    throw new SelvedgeError('DEPLOYMENT_UNKNOWN', `no deployment "${unknown}"; there are: ${names.join(', ')}`)
  }
  return { ...Object.fromEntries(names.map((deployment) => [deployment, 0])), ...shares }
}
