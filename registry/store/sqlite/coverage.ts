/** Coverage in SQLite: sums over the reports that are kept. */
import type { Kysely } from 'kysely'
import type { Coverage, CoverageSpan } from '../coverage.ts'
import type { Counted, Tier } from '../days.ts'
import type { Tables } from './tables.ts'

export function openCoverage(db: Kysely<Tables>): Coverage {
  return {
    async windows(endpoint, counted, span) {
      return await within(db, endpoint, counted, span)
        .select((select) => [
          'window',
          select.fn.sum<number>('rows').as('rows'),
          select.fn.count<number>('sender').distinct().as('senders'),
        ])
        .groupBy('window')
        .orderBy('window')
        .execute()
    },
    async sources(endpoint, counted, span) {
      const rows = await within(db, endpoint, counted, span)
        .select((select) => [
          'variant',
          'provider',
          'device',
          'tier',
          select.fn.sum<number>('rows').as('rows'),
          select.fn.count<number>('sender').distinct().as('senders'),
        ])
        .groupBy(['variant', 'provider', 'device', 'tier'])
        .orderBy('rows', 'desc')
        .execute()
      return rows.map((row) => ({ ...row, tier: row.tier as Tier }))
    },
  }
}

function within(
  db: Kysely<Tables>,
  endpoint: string,
  { deployment, version, spec }: Counted,
  { from, to }: CoverageSpan,
) {
  return db
    .selectFrom('profiles')
    .where('endpoint', '=', endpoint)
    .where('window', '>=', from)
    .where('window', '<', to)
    .where('deployment', '=', deployment)
    .where('version', '=', version)
    .where('spec', '=', spec)
}
