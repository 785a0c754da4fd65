/** What the status page shows, read from the store: a bounded part of everything. */
import type { Host, Model, ModelVersion, ProfileSum } from '../../runtime/contract/control.ts'
import { notable, type Rollout } from '../../runtime/contract/rollout.ts'
import { limits } from '../../runtime/limits.ts'
import type { Services } from '../http/env.ts'
import { toRollout } from '../rollouts/read.ts'
import type { EndpointState, HostRecord } from '../store/store.ts'
import { sumsWithBaseline } from '../telemetry/routes.ts'

export const shown = { models: 50, versions: 5, endpoints: 20, hosts: 20, rollouts: 20, hours: 24 } as const

export interface Status {
  models: { model: Model; versions: ModelVersion[] }[]
  endpoints: EndpointStatus[]
}

export interface EndpointStatus {
  state: EndpointState
  hosts: Omit<Host, 'endpoint'>[]
  /** Of the last {@link shown}.hours. */
  sums: ProfileSum[]
  counted: { exposures: number; outcomes: number }
  /** The one under way, and the last that was taken back. */
  rollouts: Rollout[]
}

export async function readStatus(services: Services): Promise<Status> {
  const { store, now } = services
  const models = await store.models.models({ limit: shown.models })
  const endpoints = await store.endpoints.endpoints({ limit: shown.endpoints })
  const since = new Date(now() - shown.hours * 3600_000).toISOString()
  return {
    models: await Promise.all(
      models.map(async (model) => ({
        model,
        versions: await store.models.versions(model.name, { limit: shown.versions }),
      })),
    ),
    endpoints: await Promise.all(
      endpoints.map(async (state) => ({
        state,
        hosts: await readHosts(services, state.name),
        sums: await sumsWithBaseline(services, state.name, since),
        counted: await store.telemetry.counted(state.name),
        rollouts: await readRollouts(services, state.name),
      })),
    ),
  }
}

async function readHosts({ store, now }: Services, endpoint: string): Promise<HostRecord[]> {
  const since = new Date(now() - limits.telemetryPastMs).toISOString()
  return await store.telemetry.hosts(endpoint, since, shown.hosts)
}

async function readRollouts(services: Services, endpoint: string): Promise<Rollout[]> {
  const found = await services.store.rollouts.rollouts(endpoint, { limit: shown.rollouts })
  return await Promise.all(notable(found).map((each) => toRollout(services, each)))
}
