/** Pushing a version: the blobs that the registry lacks are sent, and content that is a version stays that version. */
import type { Server } from '../answers.ts'
import type { Context } from '../context.ts'
import { type Blob, pushBlob, pushManifest } from '../oci.ts'
import type { Output } from '../output.ts'
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
  sentBytes: number
}

/** @throws {@link SelvedgeError} what is wrong with the version; nothing was sent then */
export async function pushVersion(
  { registry, client, output }: Pick<Context<unknown>, 'registry' | 'client' | 'output'>,
  model: string,
  path: string,
  options: PushOptions,
): Promise<PushedVersion> {
  const reading = output.progress(`Reading and trying ${model}`)
  const prepared = await prepareVersion(path, options, (rows) => reading.update(rows)).finally(() => reading.end())
  const { config, manifest, digest } = encodeManifest(model, prepared.layers, options)
  const { layers, ...told } = prepared
  const pushed = { model, manifest: digest, ...told }

  const versions = await client.versions(model)
  // Also those of a version that is there: its stored bytes may have rotted, and the registry asks for them again.
  const sentBytes = await pushBlobs(registry, model, [config, ...layers.map(({ blob }) => blob)], output)
  const same = versions.find((version) => version.manifest === digest)
  if (same !== undefined) return { ...pushed, version: same.version, registered: false, sentBytes }
  const next = (versions.at(-1)?.version ?? 0) + 1
  const version = await pushManifest(registry, model, String(next), manifest)
  return { ...pushed, version, registered: true, sentBytes }
}

async function pushBlobs(registry: Server, model: string, blobs: readonly Blob[], output: Output): Promise<number> {
  const totalBytes = blobs.reduce((sum, { size }) => sum + size, 0)
  const sending = output.progress(`Sending ${model}`)
  let [sentBytes, doneBytes] = [0, 0]
  try {
    for (const blob of blobs) {
      let blobBytes = 0
      const sent = await pushBlob(registry, model, blob, (bytes) => {
        blobBytes += bytes
        sending.update(doneBytes + blobBytes, totalBytes)
      })
      doneBytes += blob.size
      if (sent) sentBytes += blob.size
      sending.update(doneBytes, totalBytes)
    }
  } finally {
    sending.end()
  }
  return sentBytes
}
