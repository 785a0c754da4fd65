/** `selvedge assignment`: shows or sets how an endpoint's units are assigned to its deployments. */
import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { type Audience, audience } from '../../runtime/contract/audience.ts'
import type { Assignment, Endpoint } from '../../runtime/contract/control.ts'
import { type Scheme, scheme } from '../../runtime/contract/plan.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { openContext } from './context.ts'
import { parseName } from './names.ts'

interface Flags {
  scheme?: Scheme
  salt?: string
  audience?: string
}

export function addAssignment(program: Command): void {
  program
    .command('assignment')
    .description('Show or set how units are assigned to the deployments of an endpoint.')
    .argument('<endpoint>', 'such as housing', parseName)
    .addOption(new Option('--scheme <scheme>', 'how the place of a unit is computed').choices(scheme.options))
    .option('--salt <text>', "what is hashed with the unit: GrowthBook's seed, flagd's flag key, Unleash's groupId")
    .option('--audience <file.json>', 'who takes part in the split, and who answers the others; "everybody" for all')
    .addHelpText('after', help)
    .action(async (endpoint: string, _, command: Command) => {
      const { client, output, options } = openContext<Flags>(command)
      const held = await client.endpoint(endpoint)
      const isShown = Object.keys(options).length === 0
      const shown = isShown ? held : await client.putAssignment(endpoint, await readAssignment(held, options))
      output.result(assignmentOf(shown), () => renderAssignment(shown))
    })
}

const help = `
Another scheme or salt gives every unit another place. A team that comes from GrowthBook, flagd or Unleash keeps every
user where it was with that system's scheme and salt, and with the deployments in the order of its variations.

  selvedge assignment checkout --scheme growthbook-2 --salt checkout-test
  echo '{"where":[{"attribute":"country","in":["de","at"]}],"otherwise":"blue"}' > audience.json
  selvedge assignment checkout --audience audience.json`

async function readAssignment(held: Endpoint, { scheme, salt, audience: file }: Flags): Promise<Assignment> {
  const kept = file === undefined ? held.audience : file === 'everybody' ? undefined : await readAudience(file)
  return {
    scheme: scheme ?? held.scheme,
    ...(salt !== undefined && { salt }),
    ...(kept && { audience: kept }),
  }
}

async function readAudience(file: string): Promise<Audience> {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new SelvedgeError('USAGE', `"${file}" is not there or cannot be read`, {}, { cause })
  })
  try {
    return audience.parse(JSON.parse(text))
  } catch (cause) {
    throw new SelvedgeError('USAGE', `"${file}" is no audience: ${String(cause).slice(0, 300)}`, {}, { cause })
  }
}

function assignmentOf({ name, scheme, salt, audience, revision }: Endpoint) {
  return { endpoint: name, scheme, salt, ...(audience && { audience }), revision }
}

export function renderAssignment({ scheme, salt, audience }: Endpoint): string {
  const who =
    audience === undefined
      ? 'everybody'
      : `${[...(audience.where ?? []), ...(audience.namespace ? [audience.namespace] : [])].map((each) => JSON.stringify(each)).join(' and ')}; the others get ${audience.otherwise}`
  return `scheme    ${scheme}\nsalt      ${salt}\naudience  ${who}\n`
}
