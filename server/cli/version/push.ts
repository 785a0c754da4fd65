/** Pushing a version: what the registry does not have is sent, and what it has as a version is not pushed again. */
import type { Context } from '../context.ts'
import { pushBlob, pushManifest } from '../oci.ts'
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
  const same = versions.find((version) => version.manifest === digest)
  if (same !== undefined) return { ...pushed, version: same.version, registered: false, sentBytes: 0 }

  const blobs = [config, ...layers.map(({ blob }) => blob)]
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
  const next = (versions.at(-1)?.version ?? 0) + 1
  const version = await pushManifest(registry, model, String(next), manifest)
  return { ...pushed, version, registered: true, sentBytes }
}
