/** `selvedge baseline`: a baseline for a version that is there. Versions never change, so it is the next one, of the same files. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type Command, Option } from 'commander'
import { type Context, openContext } from './context.ts'
import { untilInterrupted } from './interrupt.ts'
import { collectTag, type ModelReference, parseList, parseModelReference } from './names.ts'
import { pullVersion } from './pull.ts'
import { renderBytes } from './table.ts'
import { findVersion } from './version/find.ts'
import { type PushedVersion, pushVersion } from './version/push.ts'

interface Flags {
  outcome?: string
  features?: string[]
  tag?: Record<string, string>
  why?: string
}

interface Rebased extends Omit<PushedVersion, 'description'> {
  /** The version whose files it has. */
  from: number
}

export function addBaseline(program: Command): void {
  program
    .command('baseline')
    .description('Give a version a baseline: the next version, of the same files.')
    .argument('<model[@version|@alias]>', 'such as housing@2; without a version the newest', parseModelReference)
    .argument('<file>', 'rows as CSV, JSON lines or Parquet: what drift is measured against')
    .option('--outcome <column>', 'column that holds what became true: lets performance be estimated')
    .addOption(
      new Option('--features <a,b,c>', 'columns in the order of the input, where the version names none').argParser(
        parseList,
      ),
    )
    .option('--tag <key=value>', 'metadata besides that of the version; may be repeated', collectTag)
    .option('--why <text>', 'why this baseline was made')
    .addHelpText('after', help)
    .action(async (reference: ModelReference, file: string, _, command: Command) => {
      const context = openContext<Flags>(command)
      const rebased = await untilInterrupted(context.output, 'Stopped. Nothing was changed.', () =>
        rebase(context, reference, file),
      )
      context.output.result(rebased, () => renderRebased(rebased, file))
    })
}

const help = `
The version's files are fetched, its rows are scored here, and what is pushed is its files with a profile.json of their
own: a registry that has the weights gets them by their digest, not again. Monitors of "training" are measured against
the new baseline once the new version is deployed.

  selvedge baseline housing@2 november.parquet --outcome price_high --why "November data"`

async function rebase(context: Context<Flags>, reference: ModelReference, file: string): Promise<Rebased> {
  const { options } = context
  const from = await findVersion(context.client, reference)
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-baseline-'))
  try {
    const { files } = await pullVersion(context, { model: from.model, version: from.version }, folder)
    const paths = files.map(({ path }) => path)
    // What was named one by one stays part of the version only where it is so again; a folder cannot be taken apart.
    const isFlat = paths.every((path) => !path.includes('/'))
    const { description: _, ...pushed } = await pushVersion(
      context,
      from.model,
      isFlat ? paths.map((path) => join(folder, path)) : [folder],
      {
        baseline: file,
        outcome: options.outcome,
        features: options.features,
        tags: { ...from.tags, ...options.tag },
        why: options.why ?? `baseline ${basename(file)} for version ${from.version}`,
      },
    )
    return { ...pushed, from: from.version }
  } finally {
    await rm(folder, { recursive: true })
  }
}

function renderRebased({ model, version, from, registered, sentBytes, remarks }: Rebased, file: string): string {
  const reference = `${model}@${version}`
  const notes = remarks.map((remark) => `${remark}\n`).join('')
  const said = registered ? `is ${model}@${from} with the baseline ${basename(file)}` : 'has this baseline already'
  return `${reference} ${said}; ${sentBytes === 0 ? 'nothing' : renderBytes(sentBytes)} sent.\n${notes}Serve it: selvedge deploy <endpoint>/<deployment> --model ${reference}\n`
}
