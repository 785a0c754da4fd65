/** `selvedge token`: makes, lists and revokes the secrets that callers send. */
import { Argument, type Command, Option } from 'commander'
import { type Role, role } from '../../runtime/contract/control.ts'
import { openContext } from './context.ts'
import { renderAge, renderTable } from './table.ts'

export function addToken(program: Command): void {
  const token = program.command('token').description('Make, list and revoke tokens.')

  token
    .command('create')
    .description('Make a token; its secret is shown this once.')
    .addOption(new Option('--role <role>', 'what it may do').choices(role.options).makeOptionMandatory())
    .option('--name <name>', 'what it is for, in your words')
    .option('--model <model...>', 'nothing but these models, and endpoints that serve nothing else, exists for it')
    .action(async (_, command: Command) => {
      const { options, client, output } = openContext<{ role: Role; name?: string; model?: string[] }>(command)
      const { role, name, model: models } = options
      const created = await client.createToken({ role, ...(name && { name }), ...(models && { models }) })
      output.result(
        created,
        () => `${created.secret}\n\nToken ${created.id}, role ${created.role}. The secret is not shown again.\n`,
      )
    })

  token
    .command('list')
    .description('List tokens, without their secrets.')
    .action(async (_, command: Command) => {
      const { client, output } = openContext(command)
      const tokens = await client.tokens()
      output.result(tokens, () => {
        const rows = tokens.map(({ id, role, name, models, createdAt }) => [
          id,
          role,
          models?.join(', ') ?? 'all',
          name ?? '',
          renderAge(createdAt, Date.now()),
        ])
        const columns = [{ title: 'ID' }, { title: 'ROLE' }, { title: 'MODELS' }, { title: 'NAME' }, { title: 'MADE' }]
        return rows.length === 0 ? 'No tokens.\n' : renderTable(columns, rows)
      })
    })

  token
    .command('revoke')
    .description('Make a token worthless.')
    .addArgument(new Argument('<id>', 'as `token list` shows it'))
    .action(async (id: string, _, command: Command) => {
      const { client, output } = openContext(command)
      await client.revokeToken(id)
      output.result({ revoked: id }, () => `Token ${id} is revoked.\n`)
    })
}
