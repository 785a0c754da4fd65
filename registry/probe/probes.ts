/** The probes of registered versions, one after the other; the result is stored with the version. */
import type { ModelVersion } from '../../runtime/contract/control.ts'
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
  /** Probes what was registered and is not probed yet; what goes wrong is logged. */
  startPending(): void
  /** Settles once none is under way; the next start takes up the rest. */
  close(): Promise<void>
}

interface ProbesOptions extends Shelf {
  run: RunProbe
  log(entry: Record<string, unknown>): void
}

const timeoutMs = limits.loadMs + limits.runMs

export function openProbes({ run, log, ...shelf }: ProbesOptions): Probes {
  const { store, now } = shelf
  const underWay = new Map<string, Promise<Probe>>()
  let turn: Promise<unknown> = Promise.resolve()
  const ending = new AbortController()
  const { signal } = ending

  async function judge(version: VersionRecord): Promise<Probe> {
    const found = signal.aborted ? undefined : await verdictOn(version)
    // A probe that was ended says nothing of the version: the next start asks again.
    if (found === undefined || signal.aborted) throw new SelvedgeError('NOT_READY', 'the registry is ending')
    const result: Probe = { ...found, ort: ortVersion, at: new Date(now()).toISOString() }
    await store.models.noteProbe(version.model, version.version, result)
    log({ level: 'info', event: 'version probed', model: version.model, version: version.version, ...result })
    return result
  }

  async function verdictOn(version: VersionRecord): Promise<Pick<Probe, 'state' | 'why'>> {
    const variants = version.plan.variants.filter(isForProbe)
    if (variants.length === 0) return { state: 'skipped', why: 'it is made for neither wasm nor cpu, which are probed' }
    const why = await refusalOf(version, variants)
    return why === undefined ? { state: 'passed' } : { state: 'failed', why }
  }

  async function refusalOf(
    { model, description, plan }: VersionRecord,
    variants: readonly PlanVariant[],
  ): Promise<string | undefined> {
    const record = plan.golden === undefined ? undefined : await findBlob(shelf, model, plan.golden)
    const golden = record && (await readDocument(shelf, { path: 'golden.json', record }, goldenSchema))
    for (const { id, providers, files } of variants) {
      const read = files.map((file) => ({ ...file, read: () => readBlob(shelf, file, 0, file.size) }))
      const found = await run({ description, golden, files: read, timeoutMs, signal })
      const of = plan.variants.length > 1 ? `variant ${id}: ` : ''
      if ('died' in found) return `${of}${found.died}`
      // The build of the probe lacks operators that others have.
      const isElsewhere = found.refused?.code === 'OPERATOR_UNKNOWN' && !providers.includes('wasm')
      if (found.refused !== undefined && !isElsewhere) return `${of}${found.refused.code}: ${found.refused.message}`
    }
    return undefined
  }

  function probeNow(version: VersionRecord): Promise<Probe> {
    const key = `${version.model}@${version.version}`
    const going = underWay.get(key)
    if (going !== undefined) return going
    const next = turn.then(() => judge(version)).finally(() => underWay.delete(key))
    underWay.set(key, next)
    turn = next.catch(() => undefined)
    return next
  }

  return {
    async of(version) {
      const isSettled = version.probe.state === 'passed' || version.probe.state === 'skipped'
      return isSettled ? version.probe : await probeNow(version)
    },
    startPending() {
      const started = store.models.unprobed().then((versions) => Promise.all(versions.map(probeNow)))
      started.catch((thrown) => {
        if (!signal.aborted) log({ level: 'error', event: 'probe failed', cause: String(thrown) })
      })
    },
    async close() {
      ending.abort()
      await turn
    },
  }
}

function isForProbe({ providers }: PlanVariant): boolean {
  return providers.includes('wasm') || providers.includes('cpu')
}
