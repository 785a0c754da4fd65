/**
 * ProfileSpec: the cells against which a version's rows are counted, and what the baseline counted in them (design,
 * sections 9 and 10). A blob, named by its digest.
 *
 * Counts have one layout here and in every report, so that a profile is a vector and merging is addition:
 *
 * - numeric: below the first edge, the bins between edges (lower edge included), from the last edge up, then one cell a
 *   point, then null, NaN, infinite, wrong type;
 * - categorical: one cell a value, then other, null, wrong type.
 *
 * A value equal to a point is counted at the point alone. Values are rounded to float32 before they are compared, so
 * that a record and its tensor fall into the same cell.
 */
import { z } from 'zod'
import { count } from './names.ts'

const cells = z.array(count).max(11_000)

const numeric = z.strictObject({
  name: z.string().min(1).max(160),
  kind: z.literal('numeric'),
  /** Strictly rising. */
  edges: z.array(z.number()).max(1000),
  /** Values that hold a bin's worth of mass by themselves; rising. */
  points: z.array(z.number()).max(1000),
  counts: cells,
  /** Where the number is reduced from an image or tensor: its feature and the statistic. */
  reduction: z
    .strictObject({ feature: z.string().min(1).max(128), statistic: z.enum(['mean', 'std', 'zeros']) })
    .optional(),
  /** Outputs whose outcomes are known: outcomes that were positive, by cell. */
  positives: cells.optional(),
  /** Outputs: the score at which the class changes; always one of the edges. */
  threshold: z.number().optional(),
})

const categorical = z.strictObject({
  name: z.string().min(1).max(160),
  kind: z.literal('categorical'),
  values: z.array(z.string().max(256)).min(1).max(10_000),
  counts: cells,
})

export const profileFeature = z.discriminatedUnion('kind', [numeric, categorical])

export type NumericProfile = z.infer<typeof numeric>
export type CategoricalProfile = z.infer<typeof categorical>
export type ProfileFeature = z.infer<typeof profileFeature>

/** Names of `features` are those of the description (an image's reductions: `image.mean`, `image.std`, `image.zeros`);
 * names of `outputs` are `class` and `score` of a classification or `value` of a regression. */
export const profileSpec = z.strictObject({
  features: z.array(profileFeature).max(10_000),
  outputs: z.array(profileFeature).max(16),
})

export type ProfileSpec = z.infer<typeof profileSpec>
