/** `selvedge alias`: what an alias points to, pointed to, and where it is moved. */
import { Argument, type Command } from 'commander'
import type { AliasMove } from '../../runtime/contract/control.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { openContext } from './context.ts'
import { parseName, parseVersion } from './names.ts'
import { renderAge, renderTable } from './table.ts'

interface Flags {
  at?: string
  why?: string
}

export function addAlias(program: Command): void {
  program
    .command('alias')
    .description('Move an alias of a model; without a version, show every move that it made.')
    .addArgument(new Argument('<model>', 'such as housing').argParser(parseName))
    .argument('<alias>', 'such as champion')
    .addArgument(new Argument('[version]', 'number that it points to from now on').argParser(parseVersion))
    .option('--at <time>', 'only what it pointed to then, as in 2026-11-24T03:10:00Z')
    .option('--why <text>', 'why it is moved')
    .action(async (model: string, alias: string, version: number | undefined, _, command: Command) => {
      const { client, output, options } = openContext<Flags>(command)
      const { at, why } = options
      if (version !== undefined && at !== undefined) {
        throw new SelvedgeError('USAGE', '--at asks what was; an alias is moved now')
      }
      if (version !== undefined) {
        const moved = await client.moveAlias(model, alias, { version, ...(why && { why }) })
        output.result(moved, () => `${model}@${alias} points to version ${version}.\n`)
      } else if (at !== undefined) {
        const move = await client.aliasAt(model, alias, at)
        output.result(move, () => `${model}@${alias} pointed to version ${move.version} at ${at}.\n`)
      } else {
        const moves = await client.aliasMoves(model, alias)
        output.result(moves, () => renderMoves(moves, Date.now()))
      }
    })
}

function renderMoves(moves: readonly AliasMove[], now: number): string {
  return renderTable(
    [{ title: 'VERSION', align: 'right' }, { title: 'MOVED' }, { title: 'AT' }, { title: 'BY' }, { title: 'WHY' }],
    moves.map(({ version, at, by, why }) => [
      version === undefined ? 'none' : String(version),
      renderAge(at, now),
      at,
      by ?? 'operator',
      why ?? '',
    ]),
  )
}
