/** Options that fix resources of a deployment; what is not named stays as it was. */
import { type Command, InvalidArgumentError } from 'commander'
import { type Resources, resources } from '../../runtime/contract/resources.ts'

/** As commander gives them, each under the name of its option. */
export type ResourceOptions = { [Option in (typeof options)[number]['option']]?: number | 'default' }

const options = [
  { option: 'scorers', resource: 'scorers', flag: 'scorers <n>', says: 'processes of a scoring server that load it' },
  { option: 'threads', resource: 'threads', flag: 'threads <n>', says: 'threads of one run' },
  { option: 'memory', resource: 'memoryMiB', flag: 'memory <MiB>', says: 'memory that a process may take for it' },
  { option: 'batchRows', resource: 'batchRows', flag: 'batch-rows <n>', says: 'rows that requests may share a run of' },
  { option: 'batchDelay', resource: 'batchDelayMs', flag: 'batch-delay <ms>', says: 'wait for others to share a run' },
] as const satisfies readonly { option: string; resource: keyof Resources; flag: string; says: string }[]

export function addResourceOptions(command: Command): Command {
  for (const { flag, resource, says } of options) {
    command.option(`--${flag}`, `${says}, or "default"`, (text) => parseResource(resource, text))
  }
  return command
}

/** @param held - those of the deployment that is there */
export function mergeResources(given: ResourceOptions, held: Resources = {}): Resources {
  const merged = { ...held }
  for (const { option, resource } of options) {
    const value = given[option]
    if (value === 'default') delete merged[resource]
    else if (value !== undefined) merged[resource] = value
  }
  return merged
}

function parseResource(resource: keyof Resources, text: string): number | 'default' {
  if (text === 'default') return text
  const parsed = resources.safeParse({ [resource]: /^\d+(\.\d+)?$/.test(text) ? Number(text) : text })
  const value = parsed.data?.[resource]
  if (value !== undefined) return value
  throw new InvalidArgumentError(`${parsed.error?.issues[0]?.message}; or "default".`)
}
