/** `selvedge models`: lists the models of the registry, all or those that a filter finds. */
import type { Command } from 'commander'
import type { Model } from '../../runtime/contract/control.ts'
import { openContext } from './context.ts'
import { renderAge, renderTable } from './table.ts'

export function addModels(program: Command): void {
  program
    .command('models')
    .description('List models by name, with their newest version.')
    .argument('[filter]', "as in: tag.team = 'vision' AND version_number > 2; short for one tag: team=vision")
    .action(async (filter: string | undefined, _, command: Command) => {
      const { client, output } = openContext(command)
      const models = await client.models(filter)
      const isNoneFound = filter !== undefined && models.length === 0
      output.result(models, () => (isNoneFound ? 'No model matches.\n' : renderModels(models, Date.now())))
    })
}

export function renderModels(models: readonly Model[], now: number): string {
  if (models.length === 0) return 'No models. → selvedge push <model> <model.onnx>\n'
  return renderTable(
    [{ title: 'MODEL' }, { title: 'VERSION', align: 'right' }, { title: 'TAGS' }, { title: 'MADE' }],
    models.map(({ name, latestVersion, tags, createdAt }) => [
      name,
      String(latestVersion),
      Object.entries(tags)
        .map(([key, value]) => `${key}=${value}`)
        .join(' '),
      renderAge(createdAt, now),
    ]),
  )
}
