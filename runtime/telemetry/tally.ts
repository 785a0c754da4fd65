/** What one scorer counted, by window, deployment and provider: the integers behind a telemetry report. */
import { randomId } from '../bytes.ts'
import type { ExecutionProvider } from '../contract/names.ts'
import type { ProfileSpec } from '../contract/profile-spec.ts'
import { latencyEdgesMs, type ProfileReport, type ShadowReport } from '../contract/telemetry.ts'
import type { ErrorCode } from '../errors.ts'
import { openUnitDay, type Pairs, type UnitDay } from './pairs.ts'
import { openProfile, type Profile } from './profile.ts'
import { openShadowCounts, type ShadowCounts } from './shadow-counts.ts'

/** Whose rows are counted together. */
export interface Source {
  deployment: string
  version: number
  variant: string
  provider: ExecutionProvider
  /** What the rows are counted against, and its digest. */
  spec?: { digest: string; document: ProfileSpec } | undefined
}

export interface Row {
  features: Readonly<Record<string, unknown>>
  outputs: Readonly<Record<string, unknown>>
}

export interface AskedBy {
  /** Whose rows they are, where the caller told. */
  unit?: string | undefined
  /** Whether the caller named the deployment or version: the split had no say. */
  isPinned?: boolean | undefined
}

/** The counts of one window since it began. */
export interface WindowCounts {
  /** Start of the window, on a whole minute. */
  window: string
  profiles: ProfileReport[]
  shadows?: ShadowReport[]
}

export interface Tally {
  /** 16 random bytes in base64url: this life of the host. */
  readonly sender: string
  /** Windows dropped because too many waited to be sent, or because the registry refused them. */
  readonly dropped: number
  /**
   * @returns cells of the outputs of the only row, where there is one and a spec
   */
  answered(source: Source, rows: readonly Row[], latencyMs: number, by?: AskedBy): number[] | undefined
  failed(source: Source, code: ErrorCode, by?: Pick<AskedBy, 'isPinned'>): void
  /** Counts of the window that runs now, for what is added to them at once. */
  shadow(source: Source, against: ShadowReport['against']): ShadowCounts
  /** Lets what runs now go first, such as sending the answer; `count` runs soon, and before anything is read here. */
  later(count: () => void): void
  /** Windows that changed since they were last acknowledged, oldest first. */
  pending(): WindowCounts[]
  /** The window that runs now, changed or not. */
  current(): WindowCounts
  /** Marks counts as received. */
  acknowledge(counts: WindowCounts): void
  /** Gives up counts that the registry will never take. */
  refuse(counts: WindowCounts): void
}

const windowMs = 60_000
const keptWindows = 120

interface Window {
  cells: Map<string, Cell>
  shadows: Map<string, ShadowCounts>
  changes: number
  acknowledgedChanges: number
}

interface Cell extends Requests {
  source: Source
  units: { day: UnitDay; pairs: Pairs } | undefined
  /** Those that were pinned, among the others. */
  pinned: Requests | undefined
}

interface Requests {
  rows: number
  profile: Profile | undefined
  latency: number[]
  errors: Record<string, number>
}

/** Rows of one source on one UTC day, whose units other rows may have; no units where the spec is too large. */
interface Today {
  day: string
  units: UnitDay | undefined
}

export function openTally(device: ProfileReport['device'], now: () => number = Date.now): Tally {
  const windows = new Map<string, Window>()
  const todays = new Map<string, Today>()
  const changesSent = new WeakMap<WindowCounts, number>()
  // A page is one unit, and its rows of a day are one cluster without a word of it, unless it turns out to serve several.
  let isShared = device === 'server' || device === 'edge'
  let firstUnit: string | undefined
  let waiting: (() => void)[] = []
  let dropped = 0
  let latest = ''

  // A clock that steps back must not open a window again whose counts were reported and forgotten.
  function currentStart(): string {
    const start = windowStart(now())
    if (start > latest) latest = start
    return latest
  }

  function settle(): void {
    const counts = waiting
    waiting = []
    for (const count of counts) count()
  }

  function changedWindow(): Window {
    const start = currentStart()
    let window = windows.get(start)
    if (window === undefined) {
      window = { cells: new Map(), shadows: new Map(), changes: 0, acknowledgedChanges: 0 }
      windows.set(start, window)
      dropOldest()
    }
    window.changes++
    return window
  }

  function changedCell(source: Source): Cell {
    const window = changedWindow()
    const { deployment, version, variant, provider, spec } = source
    const key = JSON.stringify([deployment, version, variant, provider, spec?.digest])
    let cell = window.cells.get(key)
    if (cell === undefined) {
      cell = openCell(source, todayOf(key, source))
      window.cells.set(key, cell)
    }
    return cell
  }

  function todayOf(key: string, { spec }: Source): UnitDay | undefined {
    if (spec === undefined) return undefined
    const day = latest.slice(0, 10)
    const held = todays.get(key)
    if (held?.day === day) return held.units
    for (const [other, today] of todays) if (today.day !== day) todays.delete(other)
    const units = openUnitDay(spec.document)
    todays.set(key, { day, units })
    return units
  }

  function dropOldest(): void {
    for (const start of windows.keys()) {
      if (windows.size <= keptWindows) return
      windows.delete(start)
      dropped++
    }
  }

  function read(start: string, window: Window | undefined): WindowCounts {
    const cells = [...(window?.cells.values() ?? [])]
    const shadows = [...(window?.shadows.values() ?? [])].map((each) => each.read())
    const profiles = cells.map((cell) => report(cell, device, isShared))
    const counts = { window: start, profiles, ...(shadows.length > 0 && { shadows }) }
    changesSent.set(counts, window?.changes ?? 0)
    return counts
  }

  return {
    sender: randomId(),
    get dropped() {
      return dropped
    },
    answered(source, rows, latencyMs, { unit, isPinned } = {}) {
      const cell = changedCell(source)
      const { profile, units } = cell
      firstUnit ??= unit
      isShared ||= unit !== undefined && unit !== firstUnit
      const pinned = isPinned ? pinnedOf(cell) : undefined
      let cells: number[] | undefined
      for (const row of rows) {
        if (profile === undefined) break
        const features = profile.countRow(row.features)
        const outputs = profile.countOutput(row.outputs)
        units?.day.add(units.pairs, unit, features, outputs)
        pinned?.profile?.countOutput(row.outputs)
        if (rows.length === 1) cells = Array.from(outputs)
      }
      const place = latencyCell(latencyMs)
      for (const counted of pinned ? [cell, pinned] : [cell]) {
        counted.rows += rows.length
        counted.latency[place] = (counted.latency[place] ?? 0) + 1
      }
      return cells
    },
    failed(source, code, { isPinned } = {}) {
      const cell = changedCell(source)
      for (const { errors } of isPinned ? [cell, pinnedOf(cell)] : [cell]) errors[code] = (errors[code] ?? 0) + 1
    },
    shadow(source, against) {
      const { shadows } = changedWindow()
      const key = JSON.stringify([source.deployment, source.version, source.variant, source.provider, against])
      const held = shadows.get(key) ?? openShadowCounts(source, against)
      shadows.set(key, held)
      return held
    },
    later(count) {
      if (waiting.push(count) === 1) setTimeout(settle, 0)
    },
    pending() {
      settle()
      const found: WindowCounts[] = []
      for (const [start, window] of windows) {
        if (window.changes > window.acknowledgedChanges) found.push(read(start, window))
        else if (start !== currentStart()) windows.delete(start)
      }
      return found
    },
    current() {
      settle()
      const start = currentStart()
      return read(start, windows.get(start))
    },
    acknowledge(counts) {
      const window = windows.get(counts.window)
      const changes = changesSent.get(counts)
      if (window === undefined || changes === undefined) return
      window.acknowledgedChanges = Math.max(window.acknowledgedChanges, changes)
    },
    refuse({ window }) {
      if (windows.delete(window)) dropped++
    },
  }
}

function openCell(source: Source, day: UnitDay | undefined): Cell {
  return {
    source,
    ...openRequests(source.spec?.document),
    units: day && { day, pairs: day.open() },
    pinned: undefined,
  }
}

function openRequests(spec: ProfileSpec | undefined): Requests {
  return {
    rows: 0,
    profile: spec && openProfile(spec),
    latency: new Array(latencyEdgesMs.length + 1).fill(0),
    errors: {},
  }
}

function pinnedOf(cell: Cell): Requests {
  const spec = cell.source.spec?.document
  cell.pinned ??= openRequests(spec && { features: [], outputs: spec.outputs })
  return cell.pinned
}

function report(
  { source, profile, units, rows, latency, errors, pinned }: Cell,
  device: ProfileReport['device'],
  isShared: boolean,
): ProfileReport {
  const counted = profile?.counts()
  return {
    deployment: source.deployment,
    version: source.version,
    variant: source.variant,
    provider: source.provider,
    device,
    ...(source.spec && { spec: source.spec.digest }),
    rows,
    counts: counted?.counts ?? {},
    outputs: counted?.outputs ?? {},
    // Where no caller told a unit, the rows are as those of a page.
    ...(isShared && units && units.pairs.rows > 0 && { units: units.day.read(units.pairs) }),
    latency: [...latency],
    errors: { ...errors },
    ...(pinned && {
      pinned: {
        rows: pinned.rows,
        outputs: pinned.profile?.counts().outputs ?? {},
        latency: [...pinned.latency],
        errors: { ...pinned.errors },
      },
    }),
  }
}

function windowStart(ms: number): string {
  return new Date(ms - (ms % windowMs)).toISOString()
}

function latencyCell(ms: number): number {
  const place = latencyEdgesMs.findIndex((edge) => ms < edge)
  return place < 0 ? latencyEdgesMs.length : place
}
