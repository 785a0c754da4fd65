/** Coverage in SQLite: the reports that are kept, without what they counted. */
import type { Kysely } from 'kysely'
import type { Coverage } from '../coverage.ts'
import type { Tier } from '../days.ts'
import type { Tables } from './tables.ts'

export function openCoverage(db: Kysely<Tables>): Coverage {
  return {
    async counting(endpoint, { deployment, version, spec }, { from, to }) {
      const rows = await db
        .selectFrom('profiles')
        .select(['window', 'sender', 'tier', 'variant', 'provider', 'device', 'rows'])
        .where('endpoint', '=', endpoint)
        .where('window', '>=', from)
        .where('window', '<', to)
        .where('deployment', '=', deployment)
        .where('version', '=', version)
        .where('spec', '=', spec)
        .orderBy('window')
        .execute()
      return rows.map(({ tier, ...row }) => ({ ...row, tier: tier as Tier }))
    },
  }
}
