/**
 * Deployments: what answers under each name of a plan, versions and ensembles of them, and the switch to a new plan while
 * the old one answers.
 */
import { ensembleVariant } from '../contract/ensemble.ts'
import type { Plan, PlanDeployment } from '../contract/plan.ts'
import type { LoadedDeployment } from '../delivery/loader.ts'
import { SelvedgeError } from '../errors.ts'
import { isSameVersion, isStep } from '../plan/plan.ts'
import type { Source } from '../telemetry/tally.ts'
import { openEnsemble, type ServedEnsemble } from './ensemble.ts'
import type { Lane } from './lane.ts'
import {
  type Answerer,
  type Answering,
  openServed,
  type Served,
  type ServedEvent,
  type ServedOptions,
} from './served.ts'

/** A deployment of the plan: what answers under a name. */
export interface Entry<Answers extends Answering = Answering> {
  name: string
  version: number
  served: Answers
  spec: Source['spec']
}

export interface Deployments {
  readonly plan: Plan | undefined
  /** Those that take requests, by name. */
  readonly entries: ReadonlyMap<string, Entry>
  /** Who answers now, by deployment, steps of ensembles among them. */
  readonly lanes: ReadonlyMap<string, Lane>
  holds(deployment: PlanDeployment): boolean
  /**
   * Deployments not yet held are opened, checked against their golden samples and run once before anything changes; when
   * one fails the plan before goes on.
   *
   * @param loaded - every deployment of the plan for which {@link Deployments.holds} is false
   * @throws {@link SelvedgeError} `PROVIDER_UNAVAILABLE`, `MODEL_INVALID`, `OPERATOR_UNKNOWN`, `GOLDEN_MISMATCH`
   */
  serve(plan: Plan, loaded: readonly LoadedDeployment[]): Promise<void>
  close(): Promise<void>
}

/** @param befell - told of what befalls a version, once for each deployment that it serves */
export function openDeployments(
  options: Omit<ServedOptions, 'event'>,
  befell: (source: Source, event: ServedEvent) => void,
): Deployments {
  let plan: Plan | undefined
  /** By deployment, steps of ensembles among them. */
  let versions = new Map<string, Entry<Served>>()
  let ensembles = new Map<string, Entry<ServedEnsemble>>()
  let entries = new Map<string, Entry>()

  function held(deployment: PlanDeployment): Entry<Served> | undefined {
    return [...versions.values()].find((each) => isSameVersion(each.served.deployment, deployment))
  }

  // A plan may give a version another name than the one that it was opened under.
  function sourcesOf(
    deployment: PlanDeployment,
    opening: Plan,
    { variant, provider }: ServedEvent,
    spec: Source['spec'],
  ): Source[] {
    const serving = [...versions.values()].filter(({ served }) => isSameVersion(served.deployment, deployment))
    const names = serving.length === 0 ? [deployment.name] : serving.map(({ name }) => name)
    const { ensembles: known = [] } = (serving.length > 0 && plan) || opening
    return names.map((name) => {
      const ensemble = known.find(({ steps }) => steps.some((step) => step.deployment === name))
      if (ensemble === undefined) return { deployment: name, version: deployment.version, variant, provider, spec }
      return { deployment: ensemble.name, version: ensemble.version, variant: ensembleVariant, provider }
    })
  }

  async function open(
    deployment: PlanDeployment,
    opening: Plan,
    loaded: readonly LoadedDeployment[],
  ): Promise<Entry<Served>> {
    const found = loaded.find((each) => isSameVersion(each.deployment, deployment))
    if (found === undefined) throw new SelvedgeError('NOT_READY', `deployment ${deployment.name} is not loaded`)
    const spec =
      found.spec && deployment.spec !== undefined ? { digest: deployment.spec, document: found.spec } : undefined
    const event = (what: ServedEvent) => {
      for (const source of sourcesOf(deployment, opening, what, spec)) befell(source, what)
    }
    const served = await openServed(found, { ...options, event })
    return { name: deployment.name, version: deployment.version, served, spec }
  }

  return {
    get plan() {
      return plan
    },
    get entries() {
      return entries
    },
    get lanes() {
      return new Map(Array.from(versions, ([name, { served }]) => [name, served.lane]))
    },
    holds: (deployment) => held(deployment) !== undefined,

    async serve(next, loaded) {
      const fresh: Entry<Served>[] = []
      const after = new Map<string, Entry<Served>>()
      let composed: typeof ensembles
      try {
        for (const deployment of next.deployments) {
          let entry = held(deployment) ?? fresh.find((each) => isSameVersion(each.served.deployment, deployment))
          if (entry === undefined) {
            entry = await open(deployment, next, loaded)
            fresh.push(entry)
          }
          after.set(deployment.name, { ...entry, name: deployment.name })
        }
        composed = compose(next, after)
      } catch (error) {
        await Promise.all(fresh.map(({ served }) => served.close()))
        throw error
      }
      const kept = new Set(Array.from(after.values(), ({ served }) => served))
      const gone = new Set(Array.from(versions.values(), ({ served }) => served).filter((each) => !kept.has(each)))
      const leaving = [...ensembles.values()]
      plan = next
      versions = after
      ensembles = composed
      const all = new Map<string, Entry>([...after, ...composed])
      entries = new Map([...all].filter(([name]) => !isStep(name)))
      // Their runs need their steps.
      for (const { served } of leaving) await served.close()
      for (const served of gone) await served.close()
    },

    async close() {
      const all = new Set(Array.from(versions.values(), ({ served }) => served))
      const leaving = [...ensembles.values()]
      versions = new Map()
      ensembles = new Map()
      entries = new Map()
      plan = undefined
      for (const { served } of leaving) await served.close()
      for (const served of all) await served.close()
    },
  }
}

/** Whose rows an answer of the entry counts among. */
export function sourceOf({ name, version, spec }: Entry, { variant, provider }: Answerer): Source {
  return { deployment: name, version, variant: variant.id, provider, spec }
}

function compose(
  { ensembles = [] }: Plan,
  versions: ReadonlyMap<string, Entry<Served>>,
): Map<string, Entry<ServedEnsemble>> {
  const stepOf = (deployment: string) => {
    const found = versions.get(deployment)
    if (found !== undefined) return found.served
    throw new SelvedgeError('PLAN_INVALID', `the plan has no deployment ${deployment}, a step of an ensemble`)
  }
  return new Map(
    ensembles.map((each) => {
      const { name, version } = each
      return [name, { name, version, served: openEnsemble(each, stepOf), spec: undefined }]
    }),
  )
}
