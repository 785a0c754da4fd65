/** The small words that every document shares: names, digests, times, providers. */
import { z } from 'zod'

/** OCI's name component, one segment: a model, an endpoint, a deployment. */
export const name = z
  .string()
  .max(128)
  .regex(/^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/, 'lower-case letters and digits, with single . _ - between them')

/** A tag of OCI that is no version's number. */
export const aliasName = z
  .string()
  .regex(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/, 'letters, digits and _ . - after the first, at most 128')
  .regex(/[^0-9]/, 'not a number: those are versions')

export const digest = z.string().regex(/^sha256:[a-f0-9]{64}$/, 'sha256: and 64 lower-case hex digits')

export type Digest = `sha256:${string}`

/** RFC 3339 in UTC. */
export const timestamp = z.iso.datetime()

export const executionProvider = z.enum(['webgpu', 'wasm', 'cpu', 'cuda'])

export type ExecutionProvider = z.infer<typeof executionProvider>

/** Parts per million. */
export const ppm = z.int().min(0).max(1_000_000)

export const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
