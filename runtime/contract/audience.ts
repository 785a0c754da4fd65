/** Audience: who takes part in the split of an endpoint; all others get one deployment and count for no experiment. */
import { z } from 'zod'
import { name, ppm } from './names.ts'

const attribute = z.string().min(1).max(64)

const value = z.union([z.string().max(256), z.number(), z.boolean()])

/** What a caller says of the one whom it scores for. */
export const attributes = z
  .record(attribute, value)
  .refine((all) => Object.keys(all).length <= 32, 'more than 32 attributes')

export type Attributes = z.infer<typeof attributes>

/** SemVer 2.0.0: `1.4.0`, `2.0.0-rc.1`. */
const semver = z.string().regex(/^\d{1,9}\.\d{1,9}\.\d{1,9}(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?$/)

/** Of one attribute; one that the caller lacks, or that is of another type, does not hold. */
export const condition = z.union([
  z.strictObject({ attribute, equals: value }),
  z.strictObject({ attribute, in: z.array(value).min(1).max(1000) }),
  /** from ≤ number < below; one of them may be left out. */
  z.strictObject({ attribute, from: z.number().optional(), below: z.number().optional() }),
  /** As numbers, in the order of SemVer. */
  z.strictObject({ attribute, version: z.strictObject({ from: semver.optional(), below: semver.optional() }) }),
])

export type Condition = z.infer<typeof condition>

export const audience = z.strictObject({
  /** All of them have to hold. */
  where: z.array(condition).max(32).optional(),
  /** Places of a namespace that this endpoint has for itself: two endpoints with other places never share a unit. */
  namespace: z.strictObject({ name, from: ppm, below: ppm }).optional(),
  /** Deployment of all who are not of the audience. */
  otherwise: name,
})

export type Audience = z.infer<typeof audience>
