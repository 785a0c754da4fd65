/** The probes of registered versions: one after the other, each once; the result is stored with the version. */
import type { ModelVersion } from '../../runtime/contract/control.ts'
import { golden as goldenSchema } from '../../runtime/contract/golden.ts'
import type { PlanFile, PlanVariant } from '../../runtime/contract/plan.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { ortVersion } from '../assets/version.ts'
import type { Blobs } from '../blobs/blobs.ts'
import { readChecked, readWhole } from '../blobs/checked.ts'
import type { BlobRecord, Store, VersionRecord } from '../store/store.ts'
import { type ProbeFile, type ProbeOptions, probe } from './probe.ts'
import type { ProbeReport } from './report.ts'

export type Probe = ModelVersion['probe']

export interface Probes {
  /** The stored result, or that of a probe that is made now. */
  of(version: VersionRecord): Promise<Probe>
  /** Probes what was registered and is not probed yet; what goes wrong is logged. */
  startPending(): void
  /** Settles once none is under way; the next start takes up the rest. */
  close(): Promise<void>
}

export type RunProbe = (options: ProbeOptions) => Promise<ProbeReport | { died: string }>

interface ProbesOptions {
  store: Store
  blobs: Blobs
  run: RunProbe
  now(): number
  log(entry: Record<string, unknown>): void
}

export const runProbe: RunProbe = probe

const timeoutMs = limits.loadMs + limits.runMs

export function openProbes({ store, blobs, run, now, log }: ProbesOptions): Probes {
  const underWay = new Map<string, Promise<Probe>>()
  let turn: Promise<unknown> = Promise.resolve()
  const ending = new AbortController()
  const { signal } = ending

  async function judge(version: VersionRecord): Promise<Probe> {
    const refusal = signal.aborted ? undefined : await refusalOf(version)
    // A probe that was ended says nothing of the version: the next start asks again.
    if (signal.aborted) throw new SelvedgeError('NOT_READY', 'the registry is ending')
    const at = new Date(now()).toISOString()
    const result: Probe =
      refusal === undefined
        ? { state: 'passed', ort: ortVersion, at }
        : { state: 'failed', why: refusal, ort: ortVersion, at }
    await store.models.noteProbe(version.model, version.version, result)
    log({ level: 'info', event: 'version probed', model: version.model, version: version.version, ...result })
    return result
  }

  async function refusalOf({ model, description, plan }: VersionRecord): Promise<string | undefined> {
    const record = plan.golden === undefined ? undefined : await store.repositories.blob(model, plan.golden)
    const golden = record && goldenSchema.parse(JSON.parse(Buffer.from(await readAll(record)).toString()))
    for (const { id, providers, files } of plan.variants.filter(isForProbe)) {
      const found = await run({ description, golden, files: files.map(fileOf), timeoutMs, signal })
      const of = plan.variants.length > 1 ? `variant ${id}: ` : ''
      if ('died' in found) return `${of}${found.died}`
      // The build of the probe lacks operators that others have.
      const isElsewhere = found.refused?.code === 'OPERATOR_UNKNOWN' && !providers.includes('wasm')
      if (found.refused !== undefined && !isElsewhere) return `${of}${found.refused.code}: ${found.refused.message}`
    }
    return undefined
  }

  async function readAll(record: BlobRecord): Promise<Uint8Array> {
    const stored = await blobs.open(record.digest)
    if (stored === undefined) throw new SelvedgeError('BLOB_CORRUPT', `the stored bytes of ${record.digest} are gone`)
    try {
      return await readWhole(stored, record)
    } finally {
      await stored.close()
    }
  }

  function fileOf(file: PlanFile): ProbeFile {
    const { path, digest, size } = file
    return {
      path,
      size,
      async *read() {
        const stored = await blobs.open(digest)
        if (stored === undefined) throw new SelvedgeError('BLOB_CORRUPT', `the stored bytes of ${path} are gone`)
        try {
          yield* readChecked(stored, file, 0, size)
        } finally {
          await stored.close()
        }
      },
    }
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
      return version.probe.state === 'pending' ? await probeNow(version) : version.probe
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
