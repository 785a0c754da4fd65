/** Rows of a file as records of features: what a version's model is scored with. */
import type { Feature } from '../../../runtime/contract/description.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { Row, RowFile } from './row.ts'
import { cellNumber, cellText, type Survey } from './survey.ts'

export type FeatureRecord = Readonly<Record<string, number | string | null>>

/**
 * One record a row, with the features alone: numbers for numeric ones, text for categorical ones, null where missing.
 *
 * @throws {@link SelvedgeError} `BASELINE_INVALID` for a feature without a column, an image, a text where a number is wanted
 */
export async function* readRecords(
  file: RowFile,
  survey: Survey,
  features: readonly Feature[],
): AsyncGenerator<{ records: FeatureRecord[]; rows: Row[] }> {
  for (const { kind, name } of features) {
    if (kind === 'image') throw new SelvedgeError('BASELINE_INVALID', `feature "${name}" is an image, not a column`)
    demandColumn(survey, name)
  }
  let before = 0
  for await (const rows of file.read()) {
    const records = rows.map((row, i) =>
      Object.fromEntries(features.map((feature) => [feature.name, featureValue(feature, row, before + i)])),
    )
    before += rows.length
    yield { records, rows }
  }
}

/** @throws {@link SelvedgeError} `BASELINE_INVALID` where the file has no such column */
export function demandColumn({ columns }: Survey, name: string, purpose = ''): void {
  if (columns.has(name)) return
  const there = [...columns.keys()].join(', ')
  throw new SelvedgeError('BASELINE_INVALID', `no column "${name}"${purpose}; the file has: ${there}`)
}

function featureValue(feature: Feature, row: Row, place: number): number | string | null {
  const cell = Object.hasOwn(row, feature.name) ? row[feature.name] : undefined
  if (feature.kind === 'numeric') {
    const number = cellNumber(cell)
    if (number !== undefined && Number.isFinite(number)) return number
  }
  if (feature.kind === 'categorical' && !isNested(cell)) {
    // A value of the feature may read like a missing one: NA is Namibia.
    return typeof cell === 'string' && feature.values.includes(cell) ? cell : (cellText(cell) ?? null)
  }
  if (!isNested(cell) && cellText(cell) === undefined) return null
  const [got, wanted] = [
    isNested(cell) ? 'a list or record' : 'text',
    feature.kind === 'numeric' ? 'a number' : 'a text',
  ]
  throw new SelvedgeError(
    'BASELINE_INVALID',
    `row ${place + 1}, column "${feature.name}": got ${got}, want ${wanted}: such a column is no ${feature.kind} feature`,
  )
}

function isNested(cell: unknown): boolean {
  return cell !== null && typeof cell === 'object' && !(cell instanceof Date)
}
