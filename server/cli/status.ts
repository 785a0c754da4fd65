/** `selvedge status`: models, endpoints and their split, the hosts that report, the health of the scoring server. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Endpoint, Host, Model, ProfileSum } from '../../runtime/contract/control.ts'
import { isUnderWay, notable, type Rollout } from '../../runtime/contract/rollout.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { request, type Server } from './answers.ts'
import type { Client } from './client.ts'
import { type Context, openContext } from './context.ts'
import { renderServed } from './deployment.ts'
import { renderModels } from './models.ts'
import { parseName } from './names.ts'
import { renderGuardWords } from './rollout-text.ts'
import { renderAge, renderTable } from './table.ts'

export interface Status {
  registry: string
  scoring: { url: string; ready: boolean; why?: string }
  models: Model[]
  /** Of rollouts, the one under way and the last that was taken back. */
  endpoints: { endpoint: Endpoint; hosts: Host[]; profiles: ProfileSum[]; rollouts: Rollout[] }[]
}

const watchMs = 2000
const dayMs = 24 * 3600 * 1000

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('Show models, endpoints, rollouts, hosts and counts of the last day.')
    .argument('[endpoint]', 'only this one, in detail', parseName)
    .option('--watch', 'show it again every two seconds, until Ctrl-C')
    .action(async (endpoint: string | undefined, _, command: Command) => {
      const context = openContext<{ watch?: boolean }>(command)
      const again = context.options.watch ?? false
      do {
        const status = await readStatus(context, endpoint)
        if (again && !context.output.json && process.stdout.isTTY) process.stdout.write('\x1b[H\x1b[2J')
        context.output.result(status, () => renderStatus(status, endpoint !== undefined, Date.now()))
        if (again) await sleep(watchMs)
      } while (again)
    })
}

async function readStatus({ client, registry, scoring }: Context<object>, only: string | undefined): Promise<Status> {
  const endpoints = only === undefined ? await client.endpoints() : [await client.endpoint(only)]
  const [health, models, ...details] = await Promise.all([
    readHealth(scoring),
    client.models(),
    ...endpoints.map((endpoint) => readDetails(client, endpoint)),
  ])
  return { registry: registry.base, scoring: { url: scoring.base, ...health }, models, endpoints: details }
}

async function readDetails(client: Client, endpoint: Endpoint) {
  const since = new Date(Date.now() - dayMs).toISOString()
  const { name } = endpoint
  const [hosts, profiles, rollouts] = await Promise.all([
    client.hosts(name),
    client.profiles(name, since),
    client.rollouts(name),
  ])
  return { endpoint, hosts, profiles, rollouts: notable(rollouts) }
}

async function readHealth(scoring: Server): Promise<{ ready: boolean; why?: string }> {
  try {
    await request(scoring, 'v2/health/ready')
    return { ready: true }
  } catch (thrown) {
    if (!(thrown instanceof SelvedgeError)) throw thrown
    return thrown.code === 'NOT_READY' ? { ready: false } : { ready: false, why: thrown.message }
  }
}

/** @param detail - one endpoint: its hosts and counts row by row */
export function renderStatus(status: Status, detail: boolean, now: number): string {
  const { ready, why } = status.scoring
  const health = ready ? 'ready' : why === undefined ? 'not ready yet' : `not ready (${why})`
  const head = `registry  ${status.registry}\nscoring   ${status.scoring.url}  ${health}\n`
  const parts = detail
    ? status.endpoints.flatMap(({ endpoint, hosts, profiles, rollouts }) => [
        renderDeployments([{ endpoint, profiles }]),
        renderRollouts(rollouts, now),
        renderHosts(hosts, now),
        renderProfiles(profiles),
      ])
    : [
        renderModels(status.models, now),
        renderDeployments(status.endpoints),
        renderRollouts(
          status.endpoints.flatMap(({ rollouts }) => rollouts),
          now,
        ),
        renderHosts(
          status.endpoints.flatMap(({ hosts }) => hosts),
          now,
        ),
      ]
  return [head, ...parts].filter((part) => part !== '').join('\n')
}

function renderDeployments(endpoints: readonly Pick<Status['endpoints'][number], 'endpoint' | 'profiles'>[]): string {
  if (endpoints.length === 0) return 'No endpoints. → selvedge deploy <endpoint>/<deployment> --model <model>\n'
  const rows = endpoints.flatMap(({ endpoint, profiles }) => {
    const { name, deployments, traffic } = endpoint
    return deployments.map((deployment) => {
      const own = profiles.filter((profile) => profile.deployment === deployment.name)
      return [
        `${name}/${deployment.name}`,
        renderServed(deployment),
        `${traffic.split[deployment.name] ?? 0} %`,
        String(own.reduce((sum, { rows }) => sum + rows, 0)),
        String(own.reduce((sum, { errors }) => sum + total(errors), 0)),
      ]
    })
  })
  return renderTable(
    [
      { title: 'DEPLOYMENT' },
      { title: 'SERVES' },
      { title: 'TRAFFIC', align: 'right' },
      { title: 'ROWS/DAY', align: 'right' },
      { title: 'ERRORS', align: 'right' },
    ],
    rows,
  )
}

function renderRollouts(rollouts: readonly Rollout[], now: number): string {
  return renderTable(
    [
      { title: 'ROLLOUT' },
      { title: 'STATE' },
      { title: 'STEP' },
      { title: 'SINCE' },
      { title: 'WAITS FOR, OR WHY' },
      { title: 'GUARDS' },
    ],
    rollouts.map((rollout) => {
      const { endpoint, deployment, state, step, steps, percent, stepStartedAt, history, now: seen } = rollout
      const last = history.at(-1)
      const evidence = seen?.evidence ?? last?.evidence
      return [
        `${endpoint}/${deployment}`,
        state,
        `${percent} %, ${step + 1} of ${steps.length}`,
        renderAge(isUnderWay(rollout) ? stepStartedAt : (last?.at ?? stepStartedAt), now),
        isUnderWay(rollout) ? (seen?.waits ?? ['a first look']).join(', ') : (last?.why ?? ''),
        renderGuardWords(evidence?.guards ?? []),
      ]
    }),
  )
}

function renderHosts(hosts: readonly Host[], now: number): string {
  if (hosts.length === 0) return 'No host has reported within the last day.\n'
  return renderTable(
    [
      { title: 'HOST' },
      { title: 'ENDPOINT' },
      { title: 'DEVICE' },
      { title: 'PROVIDERS' },
      { title: 'ROWS', align: 'right' },
      { title: 'SEEN' },
    ],
    hosts.map(({ sender, endpoint, device, providers, rows, lastSeenAt }) => [
      sender.slice(0, 8),
      endpoint,
      device,
      providers.join(', '),
      String(rows),
      renderAge(lastSeenAt, now),
    ]),
  )
}

function renderProfiles(profiles: readonly ProfileSum[]): string {
  return renderTable(
    [
      { title: 'DEPLOYMENT' },
      { title: 'VERSION', align: 'right' },
      { title: 'VARIANT' },
      { title: 'PROVIDER' },
      { title: 'DEVICE' },
      { title: 'SENDERS', align: 'right' },
      { title: 'ROWS', align: 'right' },
      { title: 'ERRORS' },
    ],
    profiles.map((sum) => [
      sum.deployment,
      String(sum.version),
      sum.variant,
      sum.provider,
      sum.device,
      String(sum.senders),
      String(sum.rows),
      Object.entries(sum.errors)
        .map(([code, count]) => `${code} ${count}`)
        .join(', '),
    ]),
  )
}

function total(errors: Readonly<Record<string, number>>): number {
  return Object.values(errors).reduce((sum, count) => sum + count, 0)
}
