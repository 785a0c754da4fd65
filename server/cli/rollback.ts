/** `selvedge rollback`: one command back to the split before. */
import type { Command } from 'commander'
import { endpoint as endpointSchema } from '../../runtime/contract/control.ts'
import { readJson, request } from './answers.ts'
import { openContext } from './context.ts'
import { parseName } from './names.ts'
import { renderTraffic } from './traffic.ts'

export function addRollback(program: Command): void {
  program
    .command('rollback')
    .description('Go back to the split before this one; a rollout under way is aborted. Again: further back.')
    .argument('<endpoint>', 'such as housing', parseName)
    .option('--why <text>', 'stands in the history of a rollout that it aborts')
    .action(async (endpoint: string, _, command: Command) => {
      const { registry, options, output } = openContext<{ why?: string }>(command)
      const response = await request(registry, `api/v1/endpoints/${encodeURIComponent(endpoint)}/rollback`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(options),
      })
      const { traffic, revision } = await readJson(registry, response, endpointSchema)
      output.result({ endpoint, revision, ...traffic }, () => renderTraffic(endpoint, traffic))
    })
}
