/** `selvedge experiment`: what one deployment changes against another, from what became true of their units. */
import type { Command } from 'commander'
import type { Experiment } from '../../runtime/contract/experiment.ts'
import { openContext } from './context.ts'
import { parseName } from './names.ts'
import { renderTable } from './table.ts'

interface Flags {
  outcome: string
  control?: string
  treatment?: string
  since?: string
}

export function addExperiment(program: Command): void {
  program
    .command('experiment')
    .description('Show what one deployment changes against another; the intervals hold however often one looks.')
    .argument('<endpoint>', 'such as housing', parseName)
    .requiredOption('--outcome <name>', 'value in outcomes: of a truth value, whether it was ever true; else its sum')
    .option(
      '--control <deployment>',
      'default: of the last split of several deployments the one with the most traffic',
      parseName,
    )
    .option('--treatment <deployment>', 'default: of the others the one with the most', parseName)
    .option('--since <time>', 'such as 2026-11-24T03:10:00Z; default: since the endpoint is there')
    .action(async (endpoint: string, _, command: Command) => {
      const { client, registry, output, options } = openContext<Flags>(command)
      const { since: from, ...asked } = options
      const found = await client.experiment(endpoint, { ...asked, from })
      output.result(found, () => `${renderExperiment(found)}${pageText(registry.base, found)}`)
    })
}

export function renderExperiment(found: Experiment): string {
  const { control, treatment, splits, olderSplits, effect, sampleRatio, alpha, isPart } = found
  if (splits.length === 0) return `${control} and ${treatment} never had traffic at once.\n`
  const columns = ['SINCE', 'SHARE', 'UNITS', 'TOLD', 'MEAN'].map((title) => ({ title }))
  const rows = splits.flatMap(({ from, shares, ...arms }) =>
    (['control', 'treatment'] as const).map((side) => [
      `${from.slice(0, 16)}Z ${side === 'control' ? control : treatment}`,
      `${shares[side] / 10_000} %`,
      String(arms[side].units),
      String(arms[side].told),
      arms[side].mean === undefined ? '' : rounded(arms[side].mean),
    ]),
  )
  const level = Number((100 * (1 - alpha)).toFixed(2))
  const told =
    effect === undefined
      ? 'No effect can be told yet: an arm has too few units.\n'
      : `${treatment} less ${control}: ${interval(effect.absolute, 1, '')}${effect.relative === undefined ? '' : `, ${interval(effect.relative, 100, ' %')}`}; ${level} % at every look.\n`
  const alarm = sampleRatio.alarm
    ? 'Units did not come in the shares of the split: do not believe the effect before you know why.\n'
    : ''
  const part = isPart ? 'There are more units than are read: these are a random part of them.\n' : ''
  const older = olderSplits > 0 ? `Older splits that are left out: ${olderSplits}.\n` : ''
  return renderTable(columns, rows) + told + alarm + part + older
}

function pageText(registry: string, { endpoint, control, treatment, outcome }: Experiment): string {
  const query = new URLSearchParams({ control, treatment, outcome })
  return `From look to look: ${new URL(`endpoints/${encodeURIComponent(endpoint)}/experiment?${query}`, registry)}\n`
}

function interval(
  { value, low, high }: { value: number; low: number; high: number },
  times: number,
  unit: string,
): string {
  const [estimate, least, most] = [value, low, high].map((each) => rounded(each * times))
  return `${estimate}${unit} (${least} to ${most})`
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(3)))
}
