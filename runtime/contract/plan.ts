/** Plan: what a host serves for one endpoint; on the wire a JWS with Ed25519 (design, section 9). */
import { z } from 'zod'
import { audience } from './audience.ts'
import { planEnsemble, stepName } from './ensemble.ts'
import { digest, executionProvider, name, ppm, timestamp } from './names.ts'
import { resources } from './resources.ts'

export const planFile = z.strictObject({
  /** The annotation `org.cncf.model.filepath` of its layer. */
  path: z.string().min(1).max(1024),
  digest,
  size: z.int().min(0),
  /** SHA-256 of each 4 MiB of it, in order. */
  chunks: z.array(z.string().regex(/^[a-f0-9]{64}$/)),
})

export type PlanFile = z.infer<typeof planFile>

export const planVariant = z.strictObject({
  id: z.string().min(1).max(64),
  providers: z.array(executionProvider).min(1),
  /** The network first, then its external data. */
  files: z.array(planFile).min(1),
})

export type PlanVariant = z.infer<typeof planVariant>

export const planDeployment = z.strictObject({
  /** Of a step, that of its ensemble and its place: no request is sent to it alone. */
  name: z.union([name, stepName]),
  model: name,
  version: z.int().min(1),
  manifest: digest,
  description: digest,
  spec: digest.optional(),
  golden: digest.optional(),
  variants: z.array(planVariant).min(1),
  /** Those that its owner fixed. */
  resources: resources.optional(),
})

export type PlanDeployment = z.infer<typeof planDeployment>

/** How the place of a unit is computed (`runtime/assignment/schemes.ts`). */
export const scheme = z.enum(['murmur3-ppm-1', 'growthbook-2', 'flagd-2', 'unleash-rollout', 'unleash-variants'])

export type Scheme = z.infer<typeof scheme>

/** Deployment, first bucket, first bucket after it. */
export const range = z.tuple([name, ppm, ppm])

export type Range = z.infer<typeof range>

export const plan = z.strictObject({
  endpoint: name,
  revision: z.int().min(1),
  issuedAt: timestamp,
  expiresAt: timestamp,
  scheme,
  salt: z.string().min(1).max(256),
  deployments: z.array(planDeployment).max(1024),
  /** Absent where there are none. */
  ensembles: z.array(planEnsemble).min(1).max(64).optional(),
  /** Rising, without gaps from 0 to 1,000,000; empty while nothing gets traffic. */
  ranges: z.array(range).max(10_000),
  /** Absent where everybody takes part in the split. */
  audience: audience.optional(),
  shadow: z.strictObject({ deployment: name, ppm }).optional(),
  runtime: z.strictObject({
    ort: z.string().max(32),
    /** Names under `/runtime/<ort>/` of the registry and their digests. */
    files: z.record(z.string().max(128), digest),
  }),
  /** Base of the blobs' addresses, ending in a slash: `<blobs><model>/blobs/<digest>`. */
  blobs: z.url(),
  telemetry: z.strictObject({ url: z.url(), intervalMs: z.int().min(100), sampleRate: z.number().min(0).max(1) }),
  audit: z.strictObject({ seq: z.int().min(0), hash: z.string().max(128) }).optional(),
  nextKeys: z.array(z.string().max(128)).max(8),
})

export type Plan = z.infer<typeof plan>
