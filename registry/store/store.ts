/**
 * Store: what the registry remembers, in the words of the domain. The port that `sqlite/` implements; asynchronous, and
 * every method is one transaction: it happens whole or not at all.
 */

import type {
  Alias,
  AliasMove,
  Model,
  ModelVersion,
  ProfileSum,
  Role,
  ShadowSum,
  Token,
} from '../../runtime/contract/control.ts'
import type { Monitor } from '../../runtime/contract/monitor.ts'
import type { PlanDeployment } from '../../runtime/contract/plan.ts'
import type { ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import type { TelemetryReport } from '../../runtime/contract/telemetry.ts'
import type { Attribute, Filter } from '../filter/grammar.ts'
import type { Coverage } from './coverage.ts'
import type { Counted, Days, SenderCounts, SenderDay, Tier } from './days.ts'
import type { EndpointState } from './endpoint.ts'
import type { Events } from './events.ts'
import type { Experiments } from './experiments.ts'
import type { Exports } from './exports.ts'
import type { Outcomes } from './joined.ts'
import type { Looks } from './looks.ts'
import type { Requests } from './requests.ts'
import type { Rollouts } from './rollouts.ts'
import type { Webhooks } from './webhooks.ts'

export type { Counted, SenderCounts } from './days.ts'
export type { DeploymentState } from './deployment.ts'
export type { EndpointState } from './endpoint.ts'

export interface Store {
  readonly repositories: Repositories
  readonly models: Models
  readonly endpoints: Endpoints
  readonly telemetry: Telemetry
  readonly days: Days
  readonly monitors: Monitors
  readonly events: Events
  readonly rollouts: Rollouts
  readonly looks: Looks
  readonly outcomes: Outcomes
  readonly coverage: Coverage
  readonly experiments: Experiments
  readonly exports: Exports
  readonly requests: Requests
  readonly tokens: Tokens
  readonly webhooks: Webhooks
  size(): Promise<StoreSize>
  /** Gives back what the disk holds for nothing; now and then. */
  tidy(): Promise<void>
  close(): Promise<void>
}

export interface StoreSize {
  models: number
  versions: number
  endpoints: number
  /** Of all blobs, each counted once. */
  blobBytes: number
}

export interface BlobRecord {
  digest: string
  size: number
  /** SHA-256 of each 4 MiB of it, in order. */
  chunks: string[]
}

export interface HeldBlob extends BlobRecord {
  corrupt: boolean
  /** Since when the repository was last told to hold it. */
  pinnedAt: string
}

export interface ManifestRecord {
  digest: string
  mediaType: string
  bytes: Uint8Array
}

/** A manifest with all that it needs, so that nothing of it is deleted before it is. */
export interface NewManifest extends ManifestRecord {
  /** Digests of blobs that the repository holds. */
  blobs: string[]
  /** Digests of manifests that the repository holds. */
  children: string[]
  subject?: string | undefined
  artifactType?: string | undefined
  annotations?: Record<string, string> | undefined
}

/** A manifest that has a subject, as the list of its referrers shows it. */
export interface Referrer {
  mediaType: string
  digest: string
  size: number
  artifactType?: string
  annotations?: Record<string, string>
}

/** Who would lose something if it were deleted. */
export interface Holders {
  deployments: { endpoint: string; deployment: string; version: number }[]
  aliases: { alias: string; version: number }[]
  /** Hosts that told of a version since the moment that was asked for. */
  hosts: { endpoint: string; version: number; count: number }[]
  /** Digests of manifests that need it. */
  manifests: string[]
}

/** A removal that a rule may refuse: it throws, and nothing is changed. */
export interface Removal {
  now: string
  /** Id of the token that deletes; absent for the operator on loopback. */
  by?: string | undefined
  /** Hosts that told of a version since then hold it. */
  heardSince: string
  rule(holders: Holders): void
}

export interface Upload {
  id: string
  repository: string
  /** Whose upload it is; absent for the operator on loopback. */
  token?: string | undefined
}

export interface UploadState {
  /** Bytes that are durable: what the client was or may be told of. */
  size: number
  /** How many requests brought them. */
  parts: number
}

/** What OCI Distribution knows: blobs and manifests that repositories hold, tags, open uploads. */
export interface Repositories {
  /** A blob that this repository holds; others' blobs do not exist for it. */
  blob(repository: string, digest: string): Promise<HeldBlob | undefined>
  /**
   * The repository holds the blob from now on; a blob marked as corrupt is sound again.
   *
   * @param upload - that brought it, which is closed
   */
  addBlob(repository: string, blob: BlobRecord, now: string, upload?: Upload): Promise<void>
  markCorrupt(digest: string, now: string): Promise<void>
  /** False, and nothing is opened, while the token has that many open. A power failure may take it back until bytes came. */
  openUpload(upload: Upload, now: string, most: number): Promise<boolean>
  /** Undefined for another repository's or another token's upload, too. */
  upload(upload: Upload): Promise<UploadState | undefined>
  /** One more part reaches to `size`; false where the upload is gone or no longer has `from` bytes. */
  advanceUpload(id: string, from: number, size: number, now: string): Promise<boolean>
  closeUpload(upload: Upload): Promise<void>
  /** Forgets uploads to which nothing was added since the moment. */
  dropUploads(before: string): Promise<void>
  /** Whether any upload has this id, whosever it is. */
  isOpen(id: string): Promise<boolean>
  /** The repository holds the blob too, where `from` holds it sound; false where it does not. */
  mountBlob(repository: string, from: string, digest: string, now: string): Promise<boolean>
  /** As if it was pushed just now; false where the repository does not hold it. */
  pinBlob(repository: string, digest: string, now: string): Promise<boolean>
  /** Blobs that no manifest needs in any repository, none of which had it pushed, mounted or pinned since. */
  unneededBlobs(before: string): Promise<{ digest: string; size: number }[]>
  /** Repositories let go of the blobs that no manifest of theirs needs and that were not pinned since. */
  letGo(before: string): Promise<void>
  /** Nothing is known of the blob any more; false while a repository holds it. */
  forgetBlob(digest: string): Promise<boolean>
  /** Whether any repository held it and it was not forgotten. */
  isKnown(digest: string): Promise<boolean>
  /** False where the repository does not hold it. The bytes stay until nobody holds them. */
  removeBlob(repository: string, digest: string, removal: Removal): Promise<boolean>
  /**
   * A manifest that registers no version; `tag` then names it.
   *
   * @throws SelvedgeError `MANIFEST_BLOB_UNKNOWN` where the repository no longer holds what it needs
   */
  addManifest(repository: string, manifest: NewManifest, tag: string | undefined, now: string): Promise<void>
  /**
   * By digest, a manifest with the tags that name it and the versions that it made; by tag, the tag alone, unless it is
   * the number of a version. False where there is none.
   */
  removeManifest(
    repository: string,
    reference: { digest: string } | { tag: string },
    removal: Removal,
  ): Promise<boolean>
  /** Those of one subject by digest, after `after`: at most so many, and of so many bytes after the first. */
  referrers(
    repository: string,
    subject: string,
    page: { artifactType?: string | undefined; after?: string | undefined; most: number; mostBytes: number },
  ): Promise<{ referrers: Referrer[]; more: boolean }>
  manifest(repository: string, reference: { digest: string } | { tag: string }): Promise<ManifestRecord | undefined>
  /** Version numbers and aliases in lexical order after `last`; undefined for a repository that holds nothing. */
  tags(repository: string, page: { last?: string | undefined; limit: number }): Promise<string[] | undefined>
}

/** What a plan says of a version. */
type PlanFacts = Omit<PlanDeployment, 'name' | 'resources'>

export interface VersionRecord extends ModelVersion {
  /** Absent where the version is not scorable here. */
  plan?: PlanFacts
}

export interface NewVersion {
  model: string
  /** Id of the token that pushes it; absent for the operator on loopback. */
  by?: string | undefined
  manifest: NewManifest
  /** The number that was pushed to, or the alias that moves to it. */
  target: { version: number } | { alias: string }
  /** All but the number. */
  facts: Omit<VersionRecord, 'model' | 'version' | 'manifest' | 'createdAt' | 'probe' | 'plan'> & {
    /** Of a version that need not be probed. */
    probe?: ModelVersion['probe'] | undefined
    plan?: Omit<PlanFacts, 'model' | 'version' | 'manifest'> | undefined
    spec?: { digest: string; spec: ProfileSpec } | undefined
  }
}

export interface ModelsPage {
  filter?: Filter | undefined
  /** Those of equal value by name. Default: by name. */
  order?: { by: Attribute; descending: boolean } | undefined
  /** Value and name of the last one before. */
  after?: { value: string | number; name: string } | undefined
  limit: number
}

export interface NewMove {
  alias: string
  version: number
  by?: string | undefined
  why?: string | undefined
}

export interface Models {
  /** Those that point to a version, by name. */
  aliases(model: string): Promise<Alias[]>
  /** Its last move, or the last that was not after a moment; undefined where it made none. */
  aliasMove(model: string, alias: string, at?: string): Promise<AliasMove | undefined>
  /** The newest first. */
  aliasMoves(model: string, alias: string, page: { before?: number | undefined; limit: number }): Promise<AliasMove[]>
  /**
   * @param rule - is told the last move and may refuse
   * @throws SelvedgeError `NOT_FOUND` for a version that the model does not have
   */
  moveAlias(model: string, move: NewMove, now: string, rule: (last: AliasMove | undefined) => void): Promise<AliasMove>
  noteProbe(model: string, version: number, probe: ModelVersion['probe']): Promise<void>
  /** Versions whose probe is pending, the oldest first. */
  unprobed(): Promise<VersionRecord[]>
  /**
   * Registers the next version, or finds the one that the same manifest made, and moves the alias.
   *
   * @throws SelvedgeError `DENIED` for a number that is neither the next nor one with this manifest,
   * `MANIFEST_BLOB_UNKNOWN`
   */
  registerVersion(version: NewVersion, now: string): Promise<{ version: number; registered: boolean }>
  /** The version that a manifest made, the newest where several. */
  versionOf(model: string, manifest: string): Promise<number | undefined>
  /** A filter is asked of each model's newest version; a tag that it lacks, of the model. */
  models(page: ModelsPage): Promise<Model[]>
  model(model: string): Promise<Model | undefined>
  /** The newest first. */
  versions(
    model: string,
    page: { filter?: Filter | undefined; before?: number | undefined; limit: number },
  ): Promise<VersionRecord[]>
  version(model: string, version: number): Promise<VersionRecord | undefined>
  /** False where there is no such version. Its number is never given again. */
  removeVersion(model: string, version: number, removal: Removal): Promise<boolean>
  /** Every version with its aliases, which do not hold it here. False where there is none. */
  removeModel(model: string, removal: Removal): Promise<boolean>
}

export interface Endpoints {
  /** Makes the endpoint unless it is there; `made` tells which. */
  create(name: string, now: number): Promise<{ state: EndpointState; made: boolean }>
  /**
   * Applies a rule to the endpoint; what the rule gives takes effect with revision max(last + 1, now), unless it gives
   * its argument back. A rule that throws changes nothing.
   *
   * @throws SelvedgeError `ENDPOINT_UNKNOWN`; `NOT_FOUND` for a deployment of a version that is not there
   */
  change(name: string, now: number, rule: (state: EndpointState) => EndpointState): Promise<EndpointState>
  /** Signed anew with the same revision, unless someone else did it since `before`. */
  reissue(name: string, before: number, now: number): Promise<void>
  /** As {@link change}, for a rule that may refuse. */
  remove(name: string, now: number, rule: (state: EndpointState) => void): Promise<void>
  endpoint(name: string): Promise<EndpointState | undefined>
  endpoints(page: { after?: string | undefined; limit: number }): Promise<EndpointState[]>
  /** Every (deployment, model, version), and every ensemble, that ever stood in a plan of the endpoint, with what it may report. */
  served(name: string): Promise<Served[]>
}

export interface Served {
  deployment: string
  /** Absent for an ensemble. */
  model?: string
  version: number
  variants: string[]
  spec?: { digest: string; spec: ProfileSpec } | undefined
}

/** A report whose names and cells were checked against what the endpoint served. */
export type CheckedReport = TelemetryReport & { receivedAt: string; tier: Tier }

export interface HostRecord {
  sender: string
  revision: number
  firstSeenAt: string
  lastSeenAt: string
  providers: string[]
  device: string
  rows: number
}

export interface Folded {
  /** False where it or a later one of its sender and window was counted before. */
  counted: boolean
  /** Exposures and outcomes that were left out: their units are busy. */
  busy: number
}

export interface Telemetry {
  /** Undefined for a report of whose day only the sums are left: nothing of it is kept. */
  fold(reports: readonly CheckedReport[]): Promise<(Folded | undefined)[]>
  /** Exact sums over the windows that start at `since` or later. */
  sums(endpoint: string, since: string): Promise<ProfileSum[]>
  /** What shadows counted in windows that start at `since` or later. */
  shadows(endpoint: string, since: string): Promise<ShadowSum[]>
  /** What each sender counted in each window from `since` to `until`, excluded, windows in order; rows of one spec alone. */
  senderCounts(endpoint: string, counted: Counted, since: string, until?: string): Promise<SenderCounts[]>
  /** Each sender's rows in windows of one day. */
  senderDays(endpoint: string, counted: Counted, since: string, until: string): Promise<SenderDay[]>
  /** Hosts heard at `since` or later, the latest first. */
  hosts(endpoint: string, since: string, limit: number): Promise<HostRecord[]>
  /** Drops reports and profiles of days that ended before the moment and are folded. */
  drop(before: string): Promise<void>
  counted(endpoint: string): Promise<{ exposures: number; outcomes: number }>
}

/** What a deployment counted in a span of time, cell by cell. */
export interface PastBaseline extends Counted {
  counts: Record<'features' | 'outputs', Record<string, number[]>>
}

/** Of an endpoint as it is now: one that was removed and made again has none. */
export interface Monitors {
  monitor(endpoint: string, name: string): Promise<Monitor | undefined>
  /** By name. */
  monitors(endpoint: string): Promise<Monitor[]>
  /**
   * True where there was none of this name.
   *
   * @param past - its baselines, where they are no version's own
   * @throws SelvedgeError `MONITOR_REFUSED` where it tells a webhook that is not there
   */
  put(endpoint: string, monitor: Monitor, past?: readonly PastBaseline[]): Promise<boolean>
  past(endpoint: string, name: string, counted: Counted): Promise<PastBaseline['counts'] | undefined>
  /** False where there is none. */
  remove(endpoint: string, name: string): Promise<boolean>
}

export interface NewToken {
  id: string
  name?: string | undefined
  role: Role
  hash: string
  /** Absent where it is not limited to some. */
  models?: readonly string[] | undefined
}

export interface Tokens {
  create(token: NewToken, now: string): Promise<Token>
  /** By the SHA-256 of the secret in hexadecimal; a revoked token is not found. */
  byHash(hash: string): Promise<Pick<NewToken, 'id' | 'role' | 'hash' | 'models'> | undefined>
  /** False where there is no such token. */
  revoke(id: string, now: string): Promise<boolean>
  tokens(page: { after?: string | undefined; limit: number }): Promise<Token[]>
  /** How many are not revoked, by role. */
  tally(): Promise<Partial<Record<Role, number>>>
}
