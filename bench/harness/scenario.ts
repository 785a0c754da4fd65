/** Scenario: one question, the variants that answer it, and how to tell that they all did the work. */
import { z } from 'zod'

export interface Scenario {
  name: string
  /** What the figures decide. */
  question: string
  /** The variant whose answer is right, and against which others are timed unless they name another. */
  baseline: string
  variants: readonly Variant[]
  /** Why an answer is wrong, given the baseline's of the same round; undefined where it is right. */
  check(answer: unknown, baseline: unknown): string | undefined
}

export interface Variant {
  name: string
  /** A program and its arguments, run in the root of the repository; prints a {@link Measurement} as its last line. */
  command: readonly [string, ...string[]]
  /** The variant against which it is timed, where that is not the scenario's baseline. */
  against?: string
  /** Why it cannot run here; it is then listed and left out. */
  absent?: () => Promise<string | undefined> | string | undefined
}

/** What one process measured. */
export const measurement = z.strictObject({
  unit: z.literal('ms'),
  /** After the warm-up, in the order they were taken. */
  samples: z.array(z.number().positive()).min(1),
  /** What the work came to. */
  answer: z.unknown(),
})

export type Measurement = z.infer<typeof measurement>
