/** Scenario: one question, the variants that answer it, and how to tell that they all did the work. */
import { z } from 'zod'

export interface Scenario {
  name: string
  /** What the figures decide. */
  question: string
  /** The variant whose answer is right, and against which others are held unless they name another. */
  baseline: string
  variants: readonly Variant[]
  /** Why an answer is wrong, given that of the variant it is held against in the same round; undefined where it is right. */
  check(answer: unknown, against: unknown): string | undefined
}

export interface Variant {
  name: string
  /** A program and its arguments, run in the root of the repository; prints a {@link Measurement} as its last line. */
  command: readonly [string, ...string[]]
  /**
   * The variant against which it is held, in figures of the same unit and in its answer, where that is not the
   * scenario's baseline. Its own name where it begins a comparison of its own.
   */
  against?: string
  /** Why it cannot run here; it is then listed and left out. */
  absent?: () => Promise<string | undefined> | string | undefined
}

/** What one process measured. */
export const measurement = z.strictObject({
  /** `times` is a ratio that one process measured by itself. */
  unit: z.enum(['ms', 'bytes', 'times']),
  /** After the warm-up, in the order they were taken. */
  samples: z.array(z.number().positive()).min(1),
  /**
   * Of the variant that it is held against, taken in the same process, each right before or after the sample of its
   * place: what is compared is then these pairs, which a machine that is busy with other things disturbs least.
   */
  beside: z.array(z.number().positive()).optional(),
  /** What the work came to. */
  answer: z.unknown(),
})

export type Measurement = z.infer<typeof measurement>
export type Unit = Measurement['unit']
