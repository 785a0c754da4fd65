/** Rows as SQLite has them; JSON is text here and is parsed where it is read. */
import type { Generated, Selectable } from 'kysely'

export interface Tables {
  alias_moves: {
    id: Generated<number>
    repository: string
    alias: string
    manifest: string | null
    version: number | null
    at: string
    by: string | null
    why: string | null
  }
  blobs: { digest: string; size: number; chunks: string; created_at: string; corrupt_at: string | null }
  repository_blobs: { repository: string; digest: string; pinned_at: string }
  uploads: {
    id: string
    repository: string
    token: string | null
    created_at: string
    size: number
    parts: number
    changed_at: string
  }
  manifests: {
    repository: string
    digest: string
    media_type: string
    bytes: Uint8Array
    created_at: string
    subject: string | null
    artifact_type: string | null
    annotations: string | null
  }
  manifest_blobs: { repository: string; manifest: string; digest: string }
  manifest_children: { repository: string; manifest: string; digest: string }
  aliases: { repository: string; alias: string; manifest: string; version: number | null; moved_at: string }
  models: { name: string; created_at: string; tags: string }
  profile_specs: { digest: string; spec: string }
  versions: {
    model: string
    version: number
    manifest: string
    size_bytes: number
    created_at: string
    tags: string
    why: string | null
    description: string
    plan: string
    spec: string | null
    deleted_at: string | null
    probe: string | null
  }
  endpoints: {
    name: string
    number: number
    created_at: string
    removed_at: string | null
    revision: number
    issued_at: number
    deployments: string
    ranges: string
    shadow: string | null
    salt: string | null
    /** JSON. */
    assignment: string | null
    rollout: string | null
    counted_since: string | null
  }
  splits: {
    id: Generated<number>
    endpoint: string
    number: number
    revision: number
    at: string
    salt: string
    assignment: string | null
    ranges: string
    shadow: string | null
    rollout: number | null
    restores: number | null
  }
  rollouts: {
    id: Generated<number>
    endpoint: string
    number: number
    state: string
    step: number
    step_started_at: string
    revision: number
    created_at: string
    changes: number
    body: string
    before: string
    advice: string
  }
  rollout_entries: { rollout: number; place: number; body: string }
  served: { endpoint: string; deployment: string; model: string; version: number; since: string }
  ensembles: { endpoint: string; deployment: string; version: number; steps: string; since: string }
  reports: {
    endpoint: string
    sender: string
    window: string
    seq: number
    revision: number
    first_received_at: string
    received_at: string
    /** JSON; absent where nothing shadowed. */
    shadows: string | null
  }
  profiles: {
    endpoint: string
    window: string
    sender: string
    deployment: string
    version: number
    variant: string
    provider: string
    device: string
    /** Empty where the version has no spec: a key has no NULL. */
    spec: string
    rows: number
    counts: string
    outputs: string
    latency: string
    errors: string
    units: string | null
    tier: string
    pinned: string | null
  }
  /** `folded`: the changes that its sums hold. `dropped`: 1 where the sums are all that is left. */
  counted_days: { endpoint: string; day: string; changes: number; folded: number; dropped: number }
  day_facts: { endpoint: string; deployment: string; version: number; spec: string; day: string; facts: string }
  day_sums: {
    endpoint: string
    deployment: string
    version: number
    spec: string
    /** Empty, as provider and device: all of them together. */
    variant: string
    provider: string
    device: string
    side: string
    feature: string
    day: string
    whole: string
    /** Null once they are gone for their age. */
    hours: string | null
  }
  exposures: {
    endpoint: string
    unit: string
    day: string
    deployment: string
    revision: number
    at: string
    prediction: string | null
  }
  outcomes: { endpoint: string; unit: string; window: string; at: string; body: string; times: string | null }
  busy_units: { endpoint: string; unit: string; day: string }
  looks: {
    endpoint: string
    number: number
    monitor: string
    deployment: string
    at: string
    version: number
    verdict: string
    summary: string
    report: Uint8Array | null
  }
  alarms: {
    endpoint: string
    number: number
    monitor: string
    deployment: string
    part: string
    version: number
    state: string
    since: string
  }
  monitors: { endpoint: string; number: number; name: string; body: string; past: string | null }
  events: {
    id: Generated<number>
    type: string
    at: string
    endpoint: string | null
    model: string | null
    webhook: string | null
    subject: string | null
    data: string
  }
  webhooks: {
    name: string
    url: string
    /** JSON. */
    events: string
    secret: string
    created_at: string
    /** Id of the last event that it got or that was not for it. */
    cursor: number
    /** How often the row was written. */
    changes: number
    failures: number
    failing_since: string | null
    due_at: number
    paused_at: string | null
  }
  tokens: {
    id: string
    name: string | null
    role: string
    hash: string
    models: string | null
    created_at: string
    revoked_at: string | null
  }
}

export type Row<Table extends keyof Tables> = Selectable<Tables[Table]>
