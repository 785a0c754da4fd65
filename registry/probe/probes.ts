/**
 * The probes of registered versions; the result is stored with the version. Those that a deployment waits for and those that
 * nobody waits for go one after the other each, so that a deployment waits for no version but its own.
 */
import type { ModelVersion } from '../../runtime/contract/control.ts'
import type { Description } from '../../runtime/contract/description.ts'
import { golden as goldenSchema } from '../../runtime/contract/golden.ts'
import type { PlanVariant } from '../../runtime/contract/plan.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { ortVersion } from '../assets/version.ts'
import { findBlob, readBlob, type Shelf } from '../blobs/held.ts'
import { readDocument } from '../models/files.ts'
import type { VersionRecord } from '../store/store.ts'
import type { RunProbe } from './probe.ts'

export type Probe = ModelVersion['probe']

export interface Probes {
  /**
   * The stored result, or that of a probe that is made now: of what is not probed yet, and once more of what failed, since
   * a busy machine may have been at fault.
   */
  of(version: VersionRecord): Promise<Probe>
  /** Probes what was registered and is not probed yet, once no more comes for a moment; what goes wrong is logged. */
  startPending(): void
  /** Settles once none is under way; the next start takes up the rest. */
  close(): Promise<void>
}

interface ProbesOptions extends Shelf {
  run: RunProbe
  log(entry: Record<string, unknown>): void
}

interface Scorable {
  description: Description
  plan: NonNullable<VersionRecord['plan']>
  givesWay: boolean
}

interface Asked {
  version: VersionRecord
  result: PromiseWithResolvers<Probe>
  isStarted: boolean
}

const timeoutMs = limits.loadMs + limits.runMs

// A probe takes a processor for a third of a second: while versions are pushed they come first, but not for ever.
const quietMs = 100
const mostQuietMs = 5000

export function openProbes({ run, log, ...shelf }: ProbesOptions): Probes {
  const { store, now } = shelf
  const asked = new Map<string, Asked>()
  let deployments = Promise.resolve()
  let others = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let firstAt = 0
  const ending = new AbortController()
  const { signal } = ending

  async function judge(version: VersionRecord, givesWay: boolean): Promise<Probe> {
    const found = signal.aborted ? undefined : await verdictOn(version, givesWay)
    // A probe that was ended says nothing of the version: the next start asks again.
    if (found === undefined || signal.aborted) throw new SelvedgeError('NOT_READY', 'the registry is ending')
    const result: Probe = { ...found, ort: ortVersion, at: new Date(now()).toISOString() }
    await store.models.noteProbe(version.model, version.version, result)
    log({ level: 'info', event: 'version probed', model: version.model, version: version.version, ...result })
    return result
  }

  async function verdictOn(
    { model, description, plan }: VersionRecord,
    givesWay: boolean,
  ): Promise<Pick<Probe, 'state' | 'why'>> {
    const variants = plan?.variants.filter(isForProbe) ?? []
    if (plan === undefined || description === undefined || variants.length === 0) {
      return { state: 'skipped', why: 'it is made for neither wasm nor cpu, which are probed' }
    }
    const why = await refusalOf(model, { description, plan, givesWay }, variants)
    return why === undefined ? { state: 'passed' } : { state: 'failed', why }
  }

  async function refusalOf(
    model: string,
    { description, plan, givesWay }: Scorable,
    variants: readonly PlanVariant[],
  ): Promise<string | undefined> {
    const record = plan.golden === undefined ? undefined : await findBlob(shelf, model, plan.golden)
    const golden = record && (await readDocument(shelf, { path: 'golden.json', record }, goldenSchema))
    for (const { id, providers, files } of variants) {
      const read = files.map((file) => ({ ...file, read: () => readBlob(shelf, file, 0, file.size) }))
      const found = await run({ description, golden, files: read, timeoutMs, givesWay, signal })
      const of = plan.variants.length > 1 ? `variant ${id}: ` : ''
      if ('died' in found) return `${of}${found.died}`
      // The build of the probe lacks operators that others have.
      const isElsewhere = found.refused?.code === 'OPERATOR_UNKNOWN' && !providers.includes('wasm')
      if (found.refused !== undefined && !isElsewhere) return `${of}${found.refused.code}: ${found.refused.message}`
    }
    return undefined
  }

  function ask(version: VersionRecord): Asked {
    const key = `${version.model}@${version.version}`
    const held = asked.get(key)
    if (held !== undefined) return held
    const result = Promise.withResolvers<Probe>()
    // Nobody may wait for it; whoever does is told.
    result.promise.catch(() => undefined)
    const each = { version, result, isStarted: false }
    asked.set(key, each)
    return each
  }

  async function settle(each: Asked, givesWay: boolean): Promise<void> {
    if (each.isStarted) return
    each.isStarted = true
    const { version, result } = each
    try {
      result.resolve(await judge(version, givesWay))
    } catch (thrown) {
      if (!signal.aborted) log({ level: 'error', event: 'probe failed', cause: String(thrown) })
      result.reject(thrown)
    } finally {
      asked.delete(`${version.model}@${version.version}`)
    }
  }

  async function settlePending(): Promise<void> {
    try {
      for (const version of await store.models.unprobed()) await settle(ask(version), true)
    } catch (thrown) {
      log({ level: 'error', event: 'probe failed', cause: String(thrown) })
    }
  }

  return {
    async of(version) {
      const isSettled = version.probe.state !== 'pending' && version.probe.state !== 'failed'
      if (isSettled) return version.probe
      const each = ask(version)
      deployments = deployments.then(() => settle(each, false))
      return await each.result.promise
    },
    startPending() {
      if (timer === undefined) firstAt = performance.now()
      clearTimeout(timer)
      timer = setTimeout(
        () => {
          timer = undefined
          others = others.then(settlePending)
        },
        Math.max(0, Math.min(quietMs, firstAt + mostQuietMs - performance.now())),
      )
    },
    async close() {
      clearTimeout(timer)
      ending.abort()
      await Promise.all([deployments, others])
    },
  }
}

function isForProbe({ providers }: PlanVariant): boolean {
  return providers.includes('wasm') || providers.includes('cpu')
}
