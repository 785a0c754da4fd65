/** Requests in SQLite: beside the rows that they brought. */
import type { Kysely } from 'kysely'
import type { Requests } from '../requests.ts'
import type { Tables } from './tables.ts'

export function openRequests(db: Kysely<Tables>): Requests {
  return {
    async requests(endpoint, { deployment, version }, { from, to }) {
      const rows = await db
        .selectFrom('profiles')
        .select(['latency', 'errors'])
        .where('endpoint', '=', endpoint)
        .where('window', '>=', from)
        .where('window', '<', to)
        .where('deployment', '=', deployment)
        .where('version', '=', version)
        .execute()
      return rows.map(({ latency, errors }) => ({ latency: JSON.parse(latency), errors: JSON.parse(errors) }))
    },
  }
}
