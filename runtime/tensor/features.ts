/** Features: records as the tensors of a model, and tensors as what a profile counts. */
import type { Datatype } from '../contract/datatype.ts'
import type { Description, ImageFeature } from '../contract/description.ts'
import { SelvedgeError } from '../errors.ts'
import { categoryText } from '../telemetry/profile.ts'
import { normalizePixels, type Reductions, readPixels, reduceImage } from './image.ts'
import {
  type ColumnFeature,
  featureWidth,
  type ImageLayout,
  type InputLayout,
  inputLayouts,
  type TextLayout,
} from './layout.ts'
import { integerRanges, type NumericTensor, packNumbers, roundNumber, unpackNumbers } from './numbers.ts'
import { createTensor, type Tensor, type Tensors } from './tensor.ts'

type FeatureRecord = Readonly<Record<string, unknown>>

/**
 * Input tensors with a row for each record.
 *
 * A numeric feature that is null or absent becomes NaN. A category that is null, absent or, in `onehot` and `ordinal`,
 * not among the feature's values becomes all zeros, -1 or ''; numbers and booleans are taken for their text. An image
 * is what {@link readPixels} takes.
 *
 * @throws {@link SelvedgeError} `NO_FEATURES` where an input is not made of features; `FEATURE_UNKNOWN`;
 * `FEATURE_INVALID` for a value of another kind, a number that the input's datatype cannot hold, or no value where the
 * datatype has no missing one; `SHAPE_MISMATCH` where the model takes another number of records
 */
export function encodeRecords(description: Description, records: readonly FeatureRecord[]): Tensors {
  const layouts = inputLayouts(description)
  const bare = description.inputs.find((input) => !layouts.some((layout) => layout.input === input))
  if (bare !== undefined) throw new SelvedgeError('NO_FEATURES', `input "${bare.name}" has no features`)
  checkNames(description, records)
  return Object.fromEntries(layouts.map((layout) => [layout.input.name, encodeInput(layout, records)]))
}

/**
 * What a profile counts for one record: a value for each feature, and for an image its {@link Reductions}.
 *
 * @param encoded - the tensors and the row that {@link encodeRecords} made of it, where they are at hand: an image is
 * then not read a second time
 */
export function recordValues(
  description: Description,
  record: FeatureRecord,
  encoded?: { inputs: Tensors; row: number },
): Record<string, unknown> {
  return Object.fromEntries(
    inputLayouts(description).flatMap((layout) => {
      if (layout.kind === 'image') {
        const { image } = layout
        const numbers = encoded
          ? imageRow(layout, own(encoded.inputs, layout.input.name) as NumericTensor, encoded.row)
          : unpackNumbers(packNumbers(layout.datatype, layout.record, imageNumbers(image, record)))
        return reductionEntries(image.name, reduceImage(image, numbers))
      }
      const { datatype } = layout.input
      return layout.columns.map((feature) => [feature.name, recordValue(feature, datatype, own(record, feature.name))])
    }),
  )
}

/**
 * The same for each row of input tensors; empty where the description has no features.
 *
 * Counts the same as the record that a row was made of, except that a number that was missing is NaN here, and a
 * category that was unknown is null.
 */
export function tensorValues(description: Description, inputs: Tensors): Record<string, unknown>[] {
  const rows = inputLayouts(description).map((layout) => layoutRows(layout, own(inputs, layout.input.name) as Tensor))
  return (rows[0] ?? []).map((_, i) => Object.fromEntries(rows.flatMap((each) => each[i] ?? [])))
}

function checkNames(description: Description, records: readonly FeatureRecord[]): void {
  const names = new Set(description.features?.map((feature) => feature.name))
  for (const [i, record] of records.entries()) {
    const unknown = Object.keys(record).find((name) => !names.has(name))
    if (unknown === undefined) continue
    const known = [...names].slice(0, 20).map((name) => `"${name}"`)
    throw new SelvedgeError(
      'FEATURE_UNKNOWN',
      `record ${i} has "${unknown.slice(0, 128)}"; the features are ${known.join(', ')}${names.size > 20 ? ', …' : ''}`,
      { record: i, feature: unknown.slice(0, 128) },
    )
  }
}

function encodeInput(layout: InputLayout, records: readonly FeatureRecord[]): Tensor {
  const { input, batch } = layout
  if (records.length === 0 || (batch !== undefined && records.length !== batch)) {
    const want = batch === undefined ? 'at least 1' : `${batch} at once`
    throw new SelvedgeError('SHAPE_MISMATCH', `input "${input.name}": got ${records.length} records, want ${want}`, {
      input: input.name,
    })
  }
  const shape = layout.hasBatchAxis ? [records.length, ...layout.record] : layout.record
  if (layout.kind === 'texts') {
    const texts = records.flatMap((record, i) => textRow(layout, record, i))
    return createTensor('BYTES', shape, texts)
  }
  const numbers = new Float64Array(records.length * layout.width)
  for (const [i, record] of records.entries()) {
    const row = numbers.subarray(i * layout.width, (i + 1) * layout.width)
    if (layout.kind === 'image') row.set(imageNumbers(layout.image, record))
    else for (const feature of layout.columns) writeColumn(row, feature, layout.datatype, own(record, feature.name), i)
  }
  return packNumbers(layout.datatype, shape, numbers)
}

function imageNumbers(image: ImageFeature, record: FeatureRecord): Float64Array {
  return normalizePixels(image, readPixels(image, own(record, image.name)))
}

function imageRow({ width }: ImageLayout, tensor: NumericTensor, row: number): ArrayLike<number> {
  return unpackNumbers(tensor).subarray(row * width, (row + 1) * width)
}

function textRow({ columns }: TextLayout, record: FeatureRecord, i: number): string[] {
  const texts: string[] = []
  for (const feature of columns) texts[feature.index] = parseCategory(feature, own(record, feature.name), i) ?? ''
  return texts
}

function writeColumn(row: Float64Array, feature: ColumnFeature, datatype: Datatype, value: unknown, i: number): void {
  if (feature.kind === 'numeric') {
    row[feature.index] = parseNumber(feature, datatype, value, i)
    return
  }
  const text = parseCategory(feature, value, i)
  const place = text === undefined ? -1 : feature.values.indexOf(text)
  if (feature.encoding === 'onehot') {
    if (place >= 0) row[feature.index + place] = 1
    return
  }
  if (place < (integerRanges[datatype]?.least ?? -1)) {
    throw invalid(feature, i, `a missing or unknown category, which ${datatype} has no number for`)
  }
  row[feature.index] = place
}

function parseNumber(feature: ColumnFeature, datatype: Datatype, value: unknown, i: number): number {
  const range = integerRanges[datatype]
  if (value === null || value === undefined) {
    if (range === undefined) return Number.NaN
    throw invalid(feature, i, `no value, which ${datatype} has no number for`)
  }
  const number = numberOf(datatype, value)
  if (typeof number !== 'number') throw invalid(feature, i, `a ${typeof value}, want a number`)
  if (range !== undefined) {
    if (Number.isInteger(number) && number >= range.least && number <= range.most) return number
    throw invalid(feature, i, `${number}, want an integer from ${range.least} to ${range.most}`)
  }
  if (Number.isFinite(number) && !Number.isFinite(roundNumber(datatype, number))) {
    throw invalid(feature, i, `${number}, beyond the largest number of ${datatype}`)
  }
  return number
}

/** The text of a category; undefined where it is missing. */
function parseCategory(feature: ColumnFeature, value: unknown, i: number): string | undefined {
  if (isMissing(feature, value)) return undefined
  const text = categoryText(value)
  if (text === undefined)
    throw invalid(feature, i, `${typeof value === 'number' ? value : `a ${typeof value}`}, want text`)
  return text
}

// '' is how the encoding `string` and CSV files write a missing category.
function isMissing(feature: ColumnFeature, value: unknown): boolean {
  if (value === null || value === undefined) return true
  return value === '' && feature.kind === 'categorical' && !feature.values.includes('')
}

function numberOf(datatype: Datatype, value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  return typeof value === 'boolean' && datatype === 'BOOL' ? Number(value) : value
}

function recordValue(feature: ColumnFeature, datatype: Datatype, value: unknown): unknown {
  if (isMissing(feature, value)) return null
  if (feature.kind === 'categorical') return value
  const number = numberOf(datatype, value)
  return typeof number === 'number' ? roundNumber(datatype, number) : number
}

function layoutRows(layout: InputLayout, tensor: Tensor): [string, unknown][][] {
  const data = tensor.datatype === 'BYTES' ? tensor.data : unpackNumbers(tensor)
  const stride = strideOf(layout, tensor.shape)
  return Array.from({ length: stride === 0 ? 0 : data.length / stride }, (_, i) => {
    const row = data.slice(i * stride, (i + 1) * stride)
    if (layout.kind !== 'image') return layout.columns.map((feature) => [feature.name, columnValue(feature, row)])
    return reductionEntries(layout.image.name, reduceImage(layout.image, row as ArrayLike<number>))
  })
}

// A free last axis may be wider than its features.
function strideOf(layout: InputLayout, shape: readonly number[]): number {
  if (layout.kind === 'image' || (layout.hasBatchAxis && shape.length === 1)) return layout.width
  return shape.at(-1) ?? 1
}

function columnValue(feature: ColumnFeature, row: ArrayLike<number | string>): unknown {
  const first = row[feature.index]
  if (feature.kind === 'numeric') return first
  if (feature.encoding === 'string') return isMissing(feature, first) ? null : first
  if (feature.encoding === 'ordinal') return first === -1 ? null : (feature.values[Number(first)] ?? noCategory)
  const cells = Array.from({ length: featureWidth(feature) }, (_, k) => row[feature.index + k])
  if (cells.every((cell) => cell === 0)) return null
  const isOneHot = cells.filter((cell) => cell === 1).length === 1 && cells.every((cell) => cell === 0 || cell === 1)
  return isOneHot ? feature.values[cells.indexOf(1)] : noCategory
}

// Numbers that encode no category at all are counted as of the wrong type.
const noCategory = Number.NaN

function reductionEntries(name: string, reductions: Reductions): [string, unknown][] {
  return Object.entries(reductions).map(([statistic, value]) => [`${name}.${statistic}`, value])
}

// Object.fromEntries makes own properties of names such as "__proto__", and Object.hasOwn reads no others.
function own(record: FeatureRecord, name: string): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

function invalid({ name }: ColumnFeature, record: number, got: string): SelvedgeError {
  return new SelvedgeError('FEATURE_INVALID', `feature "${name}" of record ${record}: got ${got}`, {
    record,
    feature: name,
  })
}
