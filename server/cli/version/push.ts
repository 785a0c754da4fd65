/** Pushing a version: the blobs that the registry lacks are sent, and content that is a version stays that version. */
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { Server } from '../answers.ts'
import type { Context } from '../context.ts'
import { type Blob, hasBlob, pushManifest } from '../oci.ts'
import type { Output } from '../output.ts'
import { forEachAtOnce, transfersAtOnce } from '../parallel.ts'
import { openPlaces } from '../places.ts'
import { uploadBlob } from '../upload.ts'
import { openUploadMemory } from '../upload-memory.ts'
import { encodeManifest } from './manifest.ts'
import { type PreparedVersion, type PrepareOptions, prepareVersion } from './prepare.ts'

export interface PushOptions extends PrepareOptions {
  tags: Readonly<Record<string, string>>
  why?: string | undefined
}

export interface PushedVersion extends Omit<PreparedVersion, 'layers'> {
  model: string
  version: number
  manifest: string
  /** False where this content was a version already. */
  registered: boolean
  /** Bytes of blobs that this push sent, and of the same blobs those that an earlier one had sent before it was ended. */
  sentBytes: number
  resumedBytes: number
}

/** @throws {@link SelvedgeError} what is wrong with the version; nothing was sent then */
export async function pushVersion(
  { registry, client, output }: Pick<Context<unknown>, 'registry' | 'client' | 'output'>,
  model: string,
  paths: readonly string[],
  options: PushOptions,
): Promise<PushedVersion> {
  const reading = output.progress(`Reading and trying ${model}`)
  const prepared = await prepareVersion(paths, options, (rows) => reading.update(rows)).finally(() => reading.end())
  const { config, manifest, digest } = encodeManifest(model, prepared.layers, options)
  const { layers, ...told } = prepared
  const pushed = { model, manifest: digest, ...told }

  const versions = await client.versions(model)
  // Also those of a version that is there: its stored bytes may have rotted, and the registry asks for them again.
  const sent = await pushBlobs(registry, model, [config, ...layers.map(({ blob }) => blob)], output)
  const same = versions.find((version) => version.manifest === digest)
  if (same !== undefined) return { ...pushed, version: same.version, registered: false, ...sent }
  const next = (versions.at(-1)?.version ?? 0) + 1
  const version = await register(registry, model, next, manifest)
  return { ...pushed, version, registered: true, ...sent }
}

// Numbers of deleted versions are not listed and are not given again: the registry tells which one is next.
async function register(
  registry: Server,
  model: string,
  next: number,
  manifest: Uint8Array<ArrayBuffer>,
): Promise<number> {
  try {
    return await pushManifest(registry, model, String(next), manifest)
  } catch (thrown) {
    const told = thrown instanceof SelvedgeError && thrown.code === 'DENIED' ? thrown.detail.nextVersion : undefined
    if (typeof told !== 'number') throw thrown
    return await pushManifest(registry, model, String(told), manifest)
  }
}

interface Sent {
  sentBytes: number
  resumedBytes: number
}

async function pushBlobs(registry: Server, model: string, blobs: readonly Blob[], output: Output): Promise<Sent> {
  const missing = await findMissing(registry, model, blobs)
  const totalBytes = missing.reduce((sum, { size }) => sum + size, 0)
  const memory = openUploadMemory(registry.base, model)
  const sending = output.progress(`Sending ${model}`, 'bytes')
  const places = openPlaces(sending, totalBytes)
  let resumedBytes = 0
  try {
    await forEachAtOnce(missing, transfersAtOnce, async (blob, signal) => {
      const moved = places(blob.digest)
      // Added after the wait: others add to it meanwhile.
      const earlierBytes = await uploadBlob(registry, model, blob, { memory, moved, signal })
      resumedBytes += earlierBytes
      moved(blob.size)
    })
  } finally {
    sending.end()
  }
  return { sentBytes: totalBytes - resumedBytes, resumedBytes }
}

async function findMissing(registry: Server, model: string, blobs: readonly Blob[]): Promise<Blob[]> {
  const missing = new Set<Blob>()
  // Files with the same content are one blob.
  const distinct = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()]
  await forEachAtOnce(distinct, transfersAtOnce, async (blob, signal) => {
    if (!(await hasBlob(registry, model, blob.digest, signal))) missing.add(blob)
  })
  return distinct.filter((blob) => missing.has(blob))
}
