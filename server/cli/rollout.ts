/** `selvedge rollout`: begins a rollout and follows it, shows the last one, pauses, resumes or aborts it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { page } from '../../runtime/contract/control.ts'
import {
  type Guard,
  guard,
  hold,
  isUnderWay,
  type Rollout,
  rollout as rolloutSchema,
} from '../../runtime/contract/rollout.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { readJson, request, type Server } from './answers.ts'
import { type Context, openContext } from './context.ts'
import { untilInterrupted } from './interrupt.ts'
import { parseName } from './names.ts'
import { renderEntry, renderRollout } from './rollout-text.ts'

interface RolloutOptions {
  steps?: number[]
  hold?: string
  minUnits?: number
  guard?: Guard[]
  alpha?: number
  reshuffle?: boolean
  why?: string
  detach?: boolean
  pause?: boolean
  resume?: boolean
  abort?: boolean
}

const defaultSteps = [5, 25, 100]

export function addRollout(program: Command): void {
  program
    .command('rollout')
    .description(
      'Move traffic to a deployment in steps while its guards hold, and follow that; taken back, it ends with 1. With an endpoint alone: show its last rollout.',
    )
    .argument('<endpoint[/deployment]>', 'such as housing/green', parseReference)
    .option('--steps <percents>', `rising, such as 1,5,25,100 (default: ${defaultSteps.join(',')})`, parseSteps)
    .option('--hold <time>', 'least time of a step: s, m, h or d (default: 10m)', parseHold)
    .option(
      '--min-units <count>',
      'units of the deployment without which it does not advance (default: 500)',
      parseUnits,
    )
    .option(
      '--guard <metric[=limit]>',
      'errors=0.01, latency=1.2, ratio=0.001, drift=0.2, parity=0.01, outcome:<name>[:lower]=<margin> of the mean over all units, 0 of whom nothing was told, or none; again for more (default: the first three)',
      collectGuard,
    )
    .option('--alpha <chance>', 'that one that is no worse is taken back (default: 0.05)', parseNumber)
    .option('--reshuffle', 'deal all units anew')
    .option('--why <text>', 'stands in its history')
    .option('--detach', 'do not follow it')
    .addOption(new Option('--pause', 'stop advancing; its guards still watch').conflicts(['resume', 'abort']))
    .addOption(new Option('--resume', 'go on').conflicts(['abort']))
    .option('--abort', 'go back to the split before it')
    .action(async ({ endpoint, deployment }: Reference, _, command: Command) => {
      const context = openContext<RolloutOptions>(command)
      const { pause, resume, abort } = context.options
      if (pause || resume || abort) return await changeState(context, endpoint)
      if (deployment === undefined) return show(context, await readLast(context.registry, endpoint))
      await run(context, endpoint, deployment)
    })
}

interface Reference {
  endpoint: string
  deployment?: string
}

async function run(context: Context<RolloutOptions>, endpoint: string, deployment: string): Promise<void> {
  const { output, options, registry } = context
  const begun = await begin(registry, endpoint, deployment, options)
  if (begun.advice.proposed !== undefined) output.note(begun.advice.text)
  if (options.detach) return show(context, begun)
  const note = `rollout ${begun.id} goes on in the registry: selvedge rollout ${endpoint}`
  const over = await untilInterrupted(output, note, () => follow(context, begun))
  show(context, over)
  if (over.state === 'completed') return
  const why = over.history.at(-1)?.why
  throw new SelvedgeError('ROLLOUT_STOPPED', `${endpoint}/${deployment} was ${over.state}${why ? `, ${why}` : ''}`, {
    rollout: over.id,
  })
}

const followMs = 1000

async function follow({ registry, output }: Context<RolloutOptions>, begun: Rollout): Promise<Rollout> {
  let [told, waits] = [0, '']
  for (let rollout = begun; ; ) {
    for (const entry of rollout.history.slice(told)) output.note(renderEntry(entry))
    told = rollout.history.length
    if (!isUnderWay(rollout)) return rollout
    // Numbers change with each look; what is waited for is news.
    const kinds = (rollout.now?.waits ?? []).map((wait) => wait.replace(/\d+/g, '')).join()
    if (kinds !== waits && rollout.now !== undefined) output.note(`  waits for ${rollout.now.waits.join(', ')}`)
    if (rollout.now !== undefined) waits = kinds
    await sleep(followMs)
    rollout = await readOne(registry, begun.endpoint, begun.id).catch((thrown) => {
      // A registry that restarts goes on with it.
      if (thrown instanceof SelvedgeError && thrown.code === 'REGISTRY_UNREACHABLE') return rollout
      throw thrown
    })
  }
}

async function changeState(context: Context<RolloutOptions>, endpoint: string): Promise<void> {
  const { registry, options } = context
  const { id } = await readLast(registry, endpoint)
  const path = `${rolloutsOf(endpoint)}/${id}`
  const etag = (await request(registry, path)).headers.get('etag') ?? '*'
  const state = options.abort ? 'aborted' : options.pause ? 'paused' : 'running'
  const response = await request(registry, path, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', 'if-match': etag },
    body: JSON.stringify({ state, why: options.why }),
  })
  show(context, await readJson(registry, response, rolloutSchema))
}

function show({ output }: Context<RolloutOptions>, rollout: Rollout): void {
  output.result(rollout, () => renderRollout(rollout))
}

async function begin(
  server: Server,
  endpoint: string,
  deployment: string,
  { steps = defaultSteps, hold, minUnits, guard: guards, alpha, reshuffle, why }: RolloutOptions,
): Promise<Rollout> {
  const etag = (await request(server, `api/v1/endpoints/${encodeURIComponent(endpoint)}/traffic`)).headers.get('etag')
  const response = await request(server, rolloutsOf(endpoint), {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'if-match': etag ?? '*' },
    body: JSON.stringify({ deployment, steps, hold, minUnits, guards, alpha, reshuffle, why }),
  })
  return await readJson(server, response, rolloutSchema)
}

async function readOne(server: Server, endpoint: string, id: string): Promise<Rollout> {
  return await readJson(server, await request(server, `${rolloutsOf(endpoint)}/${id}`), rolloutSchema)
}

async function readLast(server: Server, endpoint: string): Promise<Rollout> {
  const response = await request(server, `${rolloutsOf(endpoint)}?limit=1`)
  const [last] = (await readJson(server, response, page(rolloutSchema))).items
  if (last !== undefined) return last
  throw new SelvedgeError('NOT_FOUND', `endpoint ${endpoint} never had a rollout`)
}

function rolloutsOf(endpoint: string): string {
  return `api/v1/endpoints/${encodeURIComponent(endpoint)}/rollouts`
}

function parseReference(text: string): Reference {
  const [endpoint = '', deployment, ...rest] = text.split('/')
  if (rest.length > 0) throw new InvalidArgumentError('Want <endpoint> or <endpoint>/<deployment>.')
  return { endpoint: parseName(endpoint), ...(deployment !== undefined && { deployment: parseName(deployment) }) }
}

function parseSteps(text: string): number[] {
  const steps = text
    .split(',')
    .map((part) => (/^\s*\d+(\.\d+)?%?\s*$/.test(part) ? Number.parseFloat(part) : Number.NaN))
  if (steps.some(Number.isNaN))
    throw new InvalidArgumentError('Want percents with commas between them, such as 5,25,100.')
  return steps
}

function parseHold(text: string): string {
  if (hold.safeParse(text).success) return text
  throw new InvalidArgumentError('Want a whole number and s, m, h or d, such as 10m.')
}

function parseUnits(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Want a whole number.')
}

function parseNumber(text: string): number {
  if (/^\d*\.?\d+$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Want a number.')
}

/** Collects `errors=0.01`; what is absent has the registry's default. */
export function collectGuard(text: string, before: readonly Guard[] = []): Guard[] {
  if (text === 'none') return [...before]
  const [, metric = '', limit] = /^([^=]+)(?:=(.+))?$/.exec(text) ?? []
  const value = limit === undefined ? undefined : parseNumber(limit)
  const parsed = guard.safeParse(bodyOf(metric, value))
  if (parsed.success) return [...before, parsed.data]
  throw new InvalidArgumentError(`"${text}": ${parsed.error.issues[0]?.message ?? 'no such guard'}.`)
}

function bodyOf(metric: string, value: number | undefined): unknown {
  const [kind, name, better] = metric.split(':')
  switch (kind) {
    case 'errors':
    case 'error_rate':
      return { metric: 'error_rate', margin: value }
    case 'latency':
    case 'latency_p95':
      return { metric: 'latency_p95', ratio: value }
    case 'ratio':
    case 'sample_ratio':
      return { metric: 'sample_ratio', alpha: value }
    case 'outcome':
      return { metric: 'outcome', name, margin: value, better }
    case 'drift':
      return { metric: 'drift', limit: value }
    case 'parity':
      return { metric: 'parity', margin: value }
    default:
      throw new InvalidArgumentError('Want errors, latency, ratio, drift, parity, outcome:<name> or none.')
  }
}
