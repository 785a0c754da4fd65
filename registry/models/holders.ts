/** Whether something may be deleted: the one rule that every route that deletes goes through. */

import type { Context } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { AppEnv, Services } from '../http/env.ts'
import type { Holders, Removal } from '../store/store.ts'

/** A host that told of a version within so long may answer with it now; it reports every minute. */
const hostHoldsMs = 10 * 60_000

/** @param what - as the refusal names it */
export function removalOf({ now }: Services, what: string, c: Context<AppEnv>): Removal {
  const at = now()
  return {
    now: new Date(at).toISOString(),
    by: c.get('caller')?.token,
    heardSince: new Date(at - hostHoldsMs).toISOString(),
    rule: (holders) => refuseHeld(what, holders),
  }
}

/** @throws {@link SelvedgeError} `IN_USE` with the holders in words and, in its detail, as they are */
export function refuseHeld(what: string, holders: Holders): void {
  const names = [
    ...holders.deployments.map(({ endpoint, deployment }) => `deployment ${deployment} of endpoint ${endpoint}`),
    ...holders.aliases.map(({ alias }) => `alias ${alias}`),
    ...holders.hosts.map(({ endpoint, count }) => `${count} ${count === 1 ? 'host' : 'hosts'} of endpoint ${endpoint}`),
    ...holders.manifests.map((digest) => `manifest ${digest}`),
  ]
  if (names.length === 0) return
  const shown = names.length > 10 ? [...names.slice(0, 9), `${names.length - 9} more`] : names
  throw new SelvedgeError('IN_USE', `${what} is held by ${shown.join(', ')}`, { holders })
}
