/** What every route of the registry can reach. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Role } from '../../runtime/contract/control.ts'
import type { Networks } from '../../runtime/network.ts'
import type { Blobs } from '../blobs/blobs.ts'
import type { Claims } from '../blobs/claims.ts'
import type { PlanKey } from '../endpoints/key.ts'
import type { Plans } from '../endpoints/plans.ts'
import type { Feed } from '../events/feed.ts'
import type { Counters } from '../metrics/counters.ts'
import type { Probes } from '../probe/probes.ts'
import type { Watch } from '../rollouts/watch.ts'
import type { Store } from '../store/store.ts'
import type { Intake } from '../telemetry/intake.ts'
import type { Addresses } from '../webhooks/address.ts'

/** Who asks. On loopback an operator needs no token while none but page tokens exist. */
export interface Caller {
  role: Role
  /** Absent for the operator on loopback. */
  token?: string
  /** What the token is limited to; absent where it is not. */
  models?: readonly string[] | undefined
}

export interface Services {
  store: Store
  blobs: Blobs
  claims: Claims
  plans: Plans
  key: PlanKey
  intake: Intake
  counters: Counters
  probes: Probes
  feed: Feed
  rollouts: Watch
  /** An endpoint was changed: whoever waits for its plan or remembers what it served is told. */
  changed(endpoint: string): void
  /** Which network an address is in, behind the proxies that are trusted. */
  networks: Networks
  /** Where webhooks may be. */
  addresses: Addresses
  /** Where the caller of this address reaches the registry, ending in a slash. */
  baseOf(url: string): string
  /** ms since 1970. */
  now(): number
  log(entry: Record<string, unknown>): void
}

export interface AppEnv {
  /** Absent, whatever the type says, where the app is called without a port. */
  Bindings: { incoming?: IncomingMessage; outgoing?: ServerResponse }
  Variables: { caller: Caller | undefined }
}
