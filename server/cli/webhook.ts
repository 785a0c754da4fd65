/** `selvedge webhook`: makes, lists and deletes the addresses that are told what happens. */
import { Argument, type Command } from 'commander'
import type { Webhook } from '../../runtime/contract/webhooks.ts'
import { openContext } from './context.ts'
import { renderAge, renderTable } from './table.ts'

export function addWebhook(program: Command): void {
  const webhook = program.command('webhook').description('Make, list and delete addresses that are told what happens.')

  webhook
    .command('create')
    .description('Make a webhook, or change one of this name and try it again; its secret is shown this once.')
    .addArgument(new Argument('<name>', 'by which monitors tell it'))
    .addArgument(new Argument('<url>', 'https; others where SELVEDGE_WEBHOOK_NETWORKS of the registry allows them'))
    .option('--events <types>', 'with commas between them; without it, what monitors tell it', parseTypes, [])
    .action(async (name: string, url: string, _, command: Command) => {
      const { options, client, output } = openContext<{ events: string[] }>(command)
      const created = await client.createWebhook({ name, url, events: options.events })
      output.result(
        created,
        () => `${created.secret}\n\nIt signs what webhook ${name} gets. The secret is not shown again.\n`,
      )
    })

  webhook
    .command('list')
    .description('List webhooks, without their secrets.')
    .action(async (_, command: Command) => {
      const { client, output } = openContext(command)
      const webhooks = await client.webhooks()
      output.result(webhooks, () => {
        const rows = webhooks.map((each) => [each.name, each.url, each.events.join(', '), stateOf(each)])
        const columns = [{ title: 'NAME' }, { title: 'URL' }, { title: 'EVENTS' }, { title: 'STATE' }]
        return rows.length === 0 ? 'No webhooks.\n' : renderTable(columns, rows)
      })
    })

  webhook
    .command('delete')
    .description('Delete a webhook that no monitor tells.')
    .addArgument(new Argument('<name>', 'as `webhook list` shows it'))
    .action(async (name: string, _, command: Command) => {
      const { client, output } = openContext(command)
      await client.deleteWebhook(name)
      output.result({ deleted: name }, () => `Webhook ${name} is deleted.\n`)
    })
}

function parseTypes(text: string): string[] {
  return text.split(',').map((type) => type.trim())
}

function stateOf({ failingSince, pausedAt }: Webhook): string {
  if (pausedAt !== undefined) return `paused ${renderAge(pausedAt, Date.now())}`
  return failingSince === undefined ? 'ok' : `failing ${renderAge(failingSince, Date.now())}`
}
