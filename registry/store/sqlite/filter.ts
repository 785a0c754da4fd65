/** A Filter as a condition of SQLite. What is not there equals nothing: every comparison is true or false, never NULL. */
import { type RawBuilder, sql } from 'kysely'
import type { Comparison, Field, Filter } from '../../filter/grammar.ts'

/** Where the fields stand. */
export interface FilterColumns {
  name: RawBuilder<unknown>
  version_number: RawBuilder<unknown>
  created_at: RawBuilder<unknown>
  /** JSON objects; the first that has the tag is asked. */
  tags: readonly RawBuilder<unknown>[]
}

const signs: Record<Comparison, RawBuilder<unknown>> = {
  '=': sql`=`,
  '!=': sql`<>`,
  '<': sql`<`,
  '<=': sql`<=`,
  '>': sql`>`,
  '>=': sql`>=`,
}

export function filterCondition(filter: Filter, columns: FilterColumns): RawBuilder<boolean> {
  const inner = (each: Filter) => filterCondition(each, columns)
  if ('and' in filter) return sql`(${sql.join(filter.and.map(inner), sql` AND `)})`
  if ('or' in filter) return sql`(${sql.join(filter.or.map(inner), sql` OR `)})`
  if ('not' in filter) return sql`(NOT ${inner(filter.not)})`
  const left = operand(filter.field, columns)
  if ('in' in filter) return sql`coalesce(${left} IN (${sql.join(filter.in)}), 0)`
  if ('is' in filter) return sql`coalesce(${left} ${signs[filter.is]} ${filter.value}, 0)`
  // SQLite's own LIKE takes upper and lower case as equal.
  if (filter.anyCase) return sql`coalesce(${left} LIKE ${filter.like}, 0)`
  return sql`coalesce(${left} GLOB ${globOf(filter.like)}, 0)`
}

function operand(field: Field, columns: FilterColumns): RawBuilder<unknown> {
  if ('attribute' in field) return columns[field.attribute]
  const found = columns.tags.map((tags) => sql`(SELECT value FROM json_each(${tags}) WHERE key = ${field.tag})`)
  return found.length === 1 && found[0] ? found[0] : sql`coalesce(${sql.join(found)})`
}

function globOf(like: string): string {
  return like.replace(/[*?[]|%|_/g, (sign) => (sign === '%' ? '*' : sign === '_' ? '?' : `[${sign}]`))
}
