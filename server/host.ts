/** The Node host: follows the plans of its endpoints, keeps their models, and has them scored in child processes. */
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { page } from '../runtime/contract/control.ts'
import type { Description } from '../runtime/contract/description.ts'
import { type ExecutionProvider, name as nameSchema } from '../runtime/contract/names.ts'
import type { Plan, PlanDeployment } from '../runtime/contract/plan.ts'
import type { TelemetryReport } from '../runtime/contract/telemetry.ts'
import { loadDeployment } from '../runtime/delivery/loader.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import { type Follower, followPlan } from '../runtime/plan/follower.ts'
import { answeringIn } from '../runtime/plan/plan.ts'
import { describeEnsemble } from '../runtime/scoring/ensemble.ts'
import { openPost } from '../runtime/telemetry/post.ts'
import { openFolderStore } from './folder-store.ts'
import { errorFields, type Log } from './log.ts'
import { residentBytes } from './memory.ts'
import { openScorers, type Scorers } from './scorers.ts'
import type { EndpointState, Scoring } from './scoring.ts'
import type { Load } from './trials.ts'

export interface HostOptions {
  /** Base address of the registry. */
  registry: string
  /** Role `page` is enough; for `'all'`, `reader`. */
  token?: string | undefined
  /** Pinned keys of plans, `ed25519:…`. */
  keys: readonly string[]
  /** `'all'` follows every endpoint of the registry, new ones within two seconds. */
  endpoints: readonly string[] | 'all'
  /** Scorer processes; as many as cores where absent. */
  scorers?: number | undefined
  /** Whether one more waits, loaded, to take the place of one that dies. */
  standby: boolean
  /** Restricts the execution providers. */
  providers?: readonly ExecutionProvider[] | undefined
  /** The longest that a run may take, in ms; `limits.runMs` where absent. */
  runMs?: number | undefined
  /** Folder for blobs and plans; kept between starts. */
  cacheDir: string
  log: Log
}

export interface Host extends Scoring {
  readonly scorers: Scorers
  plan(endpoint: string): Plan | undefined
  /** Settles when the endpoint has its first plan, or rejects with what kept it from that. */
  adopted(endpoint: string): Promise<void>
  close(): Promise<void>
}

interface Followed {
  follower: Follower
  /** By {@link versionKey}. */
  descriptions: Map<string, Description>
}

const watchMs = 2000

/** Returns at once; plans are followed from then on. */
export async function openHost(options: HostOptions): Promise<Host> {
  const { token, log } = options
  const registry = options.registry.replace(/\/+$/, '')
  const store = openFolderStore(options.cacheDir)
  const followed = new Map<string, Followed>()
  const closing = new AbortController()
  const postReport = openPost(token)
  let listed = options.endpoints !== 'all'
  const scorers = await openScorers({ ...options, count: options.scorers ?? availableParallelism(), post })

  async function follow(endpoint: string): Promise<void> {
    const descriptions = new Map<string, Description>()
    const load: Load = (plan, deployments, providers) =>
      Promise.all(
        deployments.map(async (deployment) => {
          const loaded = await loadDeployment(deployment, {
            plan,
            providers,
            store,
            token,
            signal: closing.signal,
            unkept: (thrown) => log('warn', 'model not kept', { endpoint, ...errorFields(thrown) }),
          })
          descriptions.set(versionKey(deployment), loaded.description)
          return loaded
        }),
      )
    // Kept plans are for a start without the registry: without them, all else works.
    const unkept = (thrown: unknown) => log('warn', 'plan not kept', { endpoint, ...errorFields(thrown) })
    const held = (await store.readPlan(registry, endpoint).catch(unkept)) ?? undefined
    const follower = followPlan({
      registry,
      endpoint,
      token,
      keys: options.keys,
      held,
      async adopt(plan, jws) {
        await scorers.serve(plan, load)
        await store.writePlan(registry, endpoint, jws).catch(unkept)
        const versions = answeringIn(plan).map(({ name, version }) => `${name}=${version}`)
        log('info', 'plan adopted', { endpoint, revision: plan.revision, versions })
      },
      failed: (error) => log('warn', 'plan not adopted', { endpoint, ...errorFields(error) }),
    })
    followed.set(endpoint, { follower, descriptions })
  }

  async function watch(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        const names = await listEndpoints(registry, token, closing.signal)
        for (const name of names) if (!followed.has(name)) await follow(name)
        for (const name of followed.keys()) if (!names.includes(name)) await unfollow(name)
        listed = true
      } catch (thrown) {
        if (closing.signal.aborted) return
        log('warn', 'endpoints not listed', errorFields(thrown))
      }
      await sleep(watchMs, undefined, { signal: closing.signal }).catch(() => undefined)
    }
  }

  async function unfollow(endpoint: string): Promise<void> {
    followed.get(endpoint)?.follower.close()
    followed.delete(endpoint)
    await scorers.withdraw(endpoint)
    log('info', 'endpoint gone', { endpoint })
  }

  async function post(report: TelemetryReport): Promise<void> {
    const url = followed.get(report.endpoint)?.follower.plan?.telemetry.url
    if (url === undefined) throw new SelvedgeError('ENDPOINT_UNKNOWN', `endpoint ${report.endpoint} is gone`)
    await postReport(url, report)
  }

  function state(name: string): EndpointState | undefined {
    const found = followed.get(name)
    if (found === undefined) return undefined
    const { plan } = found.follower
    return {
      // Scorers serve a plan a moment before it is known here.
      isReady: plan !== undefined && scorers.isReady(name),
      revision: plan?.revision,
      deployments: plan === undefined ? [] : described(plan, found.descriptions),
    }
  }

  if (options.endpoints === 'all') void watch()
  else for (const endpoint of options.endpoints) await follow(endpoint)

  return {
    scorers,
    get endpoints() {
      return [...followed.keys()].sort()
    },
    // One endpoint whose model does not load must not take the others out of a load balancer.
    get isReady() {
      return listed && (followed.size === 0 || [...followed.keys()].some((endpoint) => scorers.isReady(endpoint)))
    },
    get providers() {
      return scorers.processes.find(({ providers }) => providers !== undefined)?.providers
    },
    scorerCount: options.scorers ?? availableParallelism(),
    get restarts() {
      return scorers.restarts
    },
    get memory() {
      const scorer = scorers.processes.map(({ pid }) => ({ process: 'scorer' as const, pid }))
      return [{ process: 'front' as const, pid: process.pid }, ...scorer].flatMap((each) => {
        const bytes = residentBytes(each.pid)
        return bytes === undefined ? [] : [{ ...each, bytes }]
      })
    },
    waiting: (endpoint) => scorers.waiting(endpoint),
    admit: (request) => scorers.admit(request),
    get guard() {
      const limited = scorers.processes.some((scorer) => scorer.limited)
      return limited ? 'scorer processes, address space limit, deadline' : 'scorer processes, deadline'
    },
    endpoint: state,
    plan: (endpoint) => followed.get(endpoint)?.follower.plan,
    async adopted(endpoint) {
      const found = followed.get(endpoint)
      if (found === undefined) throw new SelvedgeError('ENDPOINT_UNKNOWN', `endpoint ${endpoint} is not followed`)
      await found.follower.ready
    },
    ask: (type, meta, body, signal) => scorers.ask(type, meta, body, signal),
    async close() {
      closing.abort(new SelvedgeError('HOST_CLOSED', 'the host was closed'))
      await scorers.close()
      for (const { follower } of followed.values()) follower.close()
    },
  }
}

const endpointNames = page(z.object({ name: nameSchema }))

async function listEndpoints(registry: string, token: string | undefined, signal: AbortSignal): Promise<string[]> {
  const names: string[] = []
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  let cursor: string | undefined
  do {
    const query = cursor === undefined ? '' : `?cursor=${encodeURIComponent(cursor)}`
    const deadline = AbortSignal.timeout(limits.jsonTimeoutMs)
    const response = await fetch(`${registry}/api/v1/endpoints${query}`, {
      headers,
      signal: AbortSignal.any([signal, deadline]),
    })
    if (!response.ok) {
      throw new SelvedgeError(
        'REGISTRY_UNREACHABLE',
        `the list of endpoints was answered with status ${response.status}`,
      )
    }
    const { items, nextCursor } = endpointNames.parse(await response.json())
    names.push(...items.map(({ name }) => name))
    cursor = nextCursor
  } while (cursor !== undefined)
  return names
}

function described(plan: Plan, descriptions: ReadonlyMap<string, Description>): EndpointState['deployments'] {
  const share = (name: string) =>
    plan.ranges.reduce((sum, [deployment, from, to]) => (deployment === name ? sum + to - from : sum), 0)
  const ofVersion = new Map(plan.deployments.map((each) => [each.name, descriptions.get(versionKey(each))]))
  const ofEnsemble = new Map(plan.ensembles?.map((each) => [each.name, describeEnsemble(each)]))
  return answeringIn(plan)
    .flatMap(({ name, version, resources }) => {
      const description = ofEnsemble.get(name) ?? ofVersion.get(name)
      return description === undefined ? [] : [{ name, version, description, resources }]
    })
    .sort((a, b) => share(b.name) - share(a.name))
}

function versionKey({ model, version, manifest }: PlanDeployment): string {
  return `${model}@${version} ${manifest}`
}
