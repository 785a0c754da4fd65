/** `selvedge registry`: runs the registry alone. */
import type { Command } from 'commander'
import { runUntilStopped } from './children.ts'
import { openClient } from './client.ts'
import { openContext } from './context.ts'
import { addHostFlag, addRegistryFlags, type RegistryFlags, startRegistry } from './servers.ts'

export function addRegistry(program: Command): void {
  addHostFlag(addRegistryFlags(program.command('registry')))
    .description('Run the registry: models, plans, telemetry, status page.')
    .action(async (_, command: Command) => {
      const { options, output } = openContext<RegistryFlags>(command)
      await runUntilStopped(output, async (children) => {
        const url = await startRegistry(children, options, {})
        const keys = await openClient({ what: 'registry', base: url }).planKeys()
        output.result({ registry: url, keys }, () => `Registry  ${url}\nPlan key  ${keys.join(' ')}\n`)
        output.note('Ctrl-C ends it.')
      })
    })
}
