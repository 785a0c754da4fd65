/** `selvedge serve`: runs the scoring server for the endpoints of a registry. */
import { type Command, Option } from 'commander'
import { SelvedgeError } from '../../runtime/errors.ts'
import { isLoopback } from '../loopback.ts'
import { runUntilStopped } from './children.ts'
import { type Context, openContext } from './context.ts'
import { parseName } from './names.ts'
import { addCallersHelp, addHostFlag, addScoringFlags, type ScoringFlags, startScoring } from './servers.ts'

interface Flags extends ScoringFlags {
  key?: string[]
  endpoint?: string[]
  cache?: string
  compat?: 'triton'
}

export function addServe(program: Command): void {
  addCallersHelp(addHostFlag(addScoringFlags(program.command('serve'))))
    .description('Run the scoring server for the registry that SELVEDGE_REGISTRY names.')
    .option('--key <ed25519:…>', 'key that signs the plans; may be repeated', collect)
    .option('--endpoint <name>', 'serve this one; may be repeated; without it all', collectName)
    .option('--cache <folder>', 'where it keeps the bytes of models')
    .addOption(new Option('--compat <server>', 'with the texts for which its own clients look').choices(['triton']))
    .action(async (_, command: Command) => {
      const context = openContext<Flags>(command)
      const { options, output, registry } = context
      const keys = options.key ?? (await readLocalKeys(context))
      await runUntilStopped(output, async (children) => {
        const url = await startScoring(children, options, {
          registry: registry.base,
          keys,
          ...(options.cache !== undefined && { cache: options.cache }),
          ...(options.compat !== undefined && { compat: options.compat }),
          ...(options.endpoint !== undefined && { endpoints: options.endpoint }),
        })
        output.result(
          { scoring: url, registry: registry.base, keys },
          () => `Scoring   ${url}\nRegistry  ${registry.base}\n`,
        )
        output.note('Ctrl-C ends it.')
      })
    })
}

// A key that comes over the same wire as the plans proves nothing, except on one machine.
async function readLocalKeys({ client, registry }: Context<Flags>): Promise<string[]> {
  if (isLoopback(new URL(registry.base).hostname)) return await client.planKeys()
  throw new SelvedgeError('USAGE', 'a registry on another machine needs --key ed25519:…; `selvedge registry` prints it')
}

function collect(text: string, before: string[] = []): string[] {
  return [...before, text]
}

function collectName(text: string, before: string[] = []): string[] {
  return collect(parseName(text), before)
}
