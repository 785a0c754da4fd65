/** What the control plane (`/api/v1` of the registry) takes and gives; OpenAPI, server, CLI and pages use these alone. */
import { z } from 'zod'
import { audience } from './audience.ts'
import { description } from './description.ts'
import { ensemble, ensembleSignature, ensembleStep } from './ensemble.ts'
import { aliasName, count, digest, name, ppm, timestamp } from './names.ts'
import { scheme } from './plan.ts'
import { profileSpec } from './profile-spec.ts'
import { resources } from './resources.ts'
import { profileReport, sender, shadowReport } from './telemetry.ts'

export const tags = z.record(z.string().min(1).max(128), z.string().max(1024))

/** What the registry found when it loaded and ran a version once; only a passed or skipped one is deployed. */
const probe = z.object({
  state: z.enum(['pending', 'passed', 'failed', 'skipped', 'not-scorable']),
  /** Of all but a pending or passed one. */
  why: z.string().optional(),
  /** Version of ONNX Runtime. */
  ort: z.string().optional(),
  at: timestamp.optional(),
})

export const modelVersion = z.object({
  model: name,
  version: z.int().min(1),
  manifest: digest,
  /** Sum of its blobs. */
  sizeBytes: count,
  createdAt: timestamp,
  tags,
  /** Why it was pushed. */
  why: z.string().optional(),
  /** Absent where the version is not scorable here: it has no .onnx file. */
  description: description.optional(),
  hasProfile: z.boolean(),
  hasGolden: z.boolean(),
  probe,
})

export type ModelVersion = z.infer<typeof modelVersion>

export const model = z.object({
  name,
  createdAt: timestamp,
  tags,
  latestVersion: z.int().min(0),
})

export type Model = z.infer<typeof model>

export const alias = z.object({ alias: aliasName, version: z.int().min(1), movedAt: timestamp })

export type Alias = z.infer<typeof alias>

export const aliasBody = z.strictObject({ version: z.int().min(1), why: z.string().min(1).max(1024).optional() })

export const aliasMove = z.object({
  /** Rises with every move. */
  id: z.int().min(1),
  alias: aliasName,
  /** Absent where it was taken away. */
  version: z.int().min(1).optional(),
  at: timestamp,
  /** Id of the token that moved it; absent for the operator on loopback. */
  by: z.string().optional(),
  why: z.string().optional(),
})

export type AliasMove = z.infer<typeof aliasMove>

const versionBody = z.strictObject({
  kind: z.literal('model').optional(),
  model: name,
  version: z.int().min(1),
  /** What is absent goes back to its default. */
  resources: resources.optional(),
})

export const deploymentBody = z.discriminatedUnion('kind', [versionBody, ensemble])

export type DeploymentBody = z.infer<typeof deploymentBody>

const versionDeployment = z.object({
  name,
  model: name,
  version: z.int().min(1),
  resources: resources.optional(),
  createdAt: timestamp,
})

const ensembleDeployment = z.object({
  name,
  kind: z.literal('ensemble'),
  /** Revision of the plan with which its steps came. */
  version: z.int().min(1),
  /** In an order in which they can run. */
  steps: z.array(ensembleStep),
  ...ensembleSignature.shape,
  resources: resources.optional(),
  createdAt: timestamp,
})

export const deployment = z.union([versionDeployment, ensembleDeployment])

export type Deployment = z.infer<typeof deployment>

/** Percent by deployment; the server checks the sum and the decimals. */
export const split = z.record(name, z.number().min(0).max(100))

export const traffic = z.strictObject({
  split,
  shadow: z.strictObject({ deployment: name, percent: z.number().min(0).max(100) }).optional(),
})

export type Traffic = z.infer<typeof traffic>

/** Who gets which place, and who takes part at all. Another scheme or salt gives everybody another place. */
export const assignment = z.strictObject({
  scheme: scheme.default('murmur3-ppm-1'),
  /** As it is where absent. */
  salt: z.string().min(1).max(200).optional(),
  /** Everybody where absent. */
  audience: audience.optional(),
})

export type Assignment = z.infer<typeof assignment>

export const endpointBody = z.strictObject({
  /** As it is where absent. */
  assignment: assignment.optional(),
})

export const endpoint = z.object({
  name,
  createdAt: timestamp,
  scheme,
  salt: z.string(),
  audience: audience.optional(),
  /** Revision of the plan in force. */
  revision: z.int().min(0),
  deployments: z.array(deployment),
  traffic,
  /** The buckets behind the split, as the plan has them. */
  ranges: z.array(z.tuple([name, ppm, ppm])),
  /** Id of the one that moves its traffic. */
  rollout: z.string().optional(),
})

export type Endpoint = z.infer<typeof endpoint>

/** One host that reported for an endpoint within the last days. */
export const host = z.object({
  sender,
  endpoint: name,
  revision: z.int().min(1),
  firstSeenAt: timestamp,
  lastSeenAt: timestamp,
  providers: z.array(z.string()),
  device: z.string(),
  rows: count,
})

export type Host = z.infer<typeof host>

/** Exact sums of the reports of one (deployment, version, variant, provider, device) over a span of windows. */
const cellShares = z.record(z.string(), z.array(count))

export const profileSum = z.object({
  ...profileReport.omit({ units: true, pinned: true }).shape,
  /** Whose word it is: reports by `page` tokens are anyone's and are never mixed with others. */
  tier: z.enum(['trusted', 'page']),
  senders: count,
  /**
   * Of the tier `page`, parts per million of the rows of each cell, where every sender weighs the same: clients who lie
   * move a quantile by no more than their share of the clients, however much they send.
   */
  shares: z.object({ counts: cellShares, outputs: cellShares, latency: z.array(count) }).optional(),
  /** What the counts were counted against, where it is known. */
  baseline: profileSpec.optional(),
})

export type ProfileSum = z.infer<typeof profileSum>

export const shadowSum = z.object({ ...shadowReport.shape, senders: count })

export type ShadowSum = z.infer<typeof shadowSum>

export const role = z.enum(['page', 'reader', 'writer', 'operator', 'admin'])

export type Role = z.infer<typeof role>

/** Models that a token is limited to; absent where it is not. */
const tokenModels = z.array(name).min(1).max(1000).optional()

export const tokenBody = z
  .strictObject({
    role,
    name: z.string().min(1).max(128).optional(),
    models: tokenModels,
  })
  .refine(({ role, models }) => role !== 'admin' || models === undefined, 'an admin is not limited to models')

export const token = z.object({
  id: z.string(),
  name: z.string().optional(),
  role,
  models: tokenModels,
  createdAt: timestamp,
})

export type Token = z.infer<typeof token>

/** The secret is shown once. */
export const createdToken = z.object({ ...token.shape, secret: z.string() })

/** Keys whose signatures this registry makes now, for hosts to pin. */
export const keys = z.object({ keys: z.array(z.object({ kid: z.string(), key: z.string() })) })

export const page = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().optional() })

/** RFC 9457; `type` is the stable code. */
export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  next: z.string(),
})
