/** Loading what a plan names: blobs by digest, every 4 MiB chunk checked as it arrives and on every later load. */
import type { z } from 'zod'
import { digestOf, sha256 } from './bytes.ts'
import { type Description, description as descriptionSchema } from './contract/description.ts'
import { type Golden, golden as goldenSchema } from './contract/golden.ts'
import type { Digest, ExecutionProvider } from './contract/names.ts'
import type { Plan, PlanDeployment, PlanFile, PlanVariant } from './contract/plan.ts'
import { type ProfileSpec, profileSpec } from './contract/profile-spec.ts'
import { SelvedgeError } from './errors.ts'
import { limits } from './limits.ts'
import type { ModelBytes } from './session.ts'
import type { ModelStore } from './store.ts'

/** A deployment with all that a scorer needs of it. */
export interface LoadedDeployment {
  deployment: PlanDeployment
  description: Description
  spec?: ProfileSpec
  golden?: Golden
  variant: PlanVariant
  bytes: ModelBytes
}

/** Where bytes come from. */
export interface Source {
  store: ModelStore
  token?: string | undefined
  signal?: AbortSignal | undefined
}

export interface LoadOptions extends Source {
  plan: Plan
  /** In order of preference; the first variant made for one of them is taken. */
  providers: readonly ExecutionProvider[]
  /** Bytes of model files there so far, of all; for a progress bar. */
  progress?: ((doneBytes: number, totalBytes: number) => void) | undefined
}

/**
 * @throws {@link SelvedgeError} `DIGEST_MISMATCH` where the registry sends other bytes than the plan names,
 * `PROVIDER_UNAVAILABLE` where no variant is made for these providers, `REGISTRY_UNREACHABLE`
 */
export async function loadDeployment(deployment: PlanDeployment, options: LoadOptions): Promise<LoadedDeployment> {
  const variant = chooseVariant(deployment, options.providers)
  const base = `${options.plan.blobs}${deployment.model}/blobs/`
  const total = variant.files.reduce((sum, file) => sum + file.size, 0)
  let before = 0
  const files: Uint8Array<ArrayBuffer>[] = []
  for (const file of variant.files) {
    const start = before
    files.push(await loadFile(base, file, options, (done) => options.progress?.(start + done, total)))
    before += file.size
  }
  const [network, ...external] = files
  if (network === undefined) throw new SelvedgeError('PLAN_INVALID', `variant ${variant.id} has no file`)
  return {
    deployment,
    variant,
    description: await loadDocument(base, deployment.description, descriptionSchema, options),
    ...(deployment.spec && { spec: await loadDocument(base, deployment.spec, profileSpec, options) }),
    ...(deployment.golden && { golden: await loadDocument(base, deployment.golden, goldenSchema, options) }),
    bytes: {
      network,
      externalData: external.map((data, i) => ({ path: variant.files[i + 1]?.path ?? '', data })),
    },
  }
}

/**
 * A whole blob at once, for what is small or of unknown size.
 *
 * @throws {@link SelvedgeError} as {@link loadDeployment}
 */
export async function loadBlob(url: string, digest: Digest, options: Source): Promise<Uint8Array<ArrayBuffer>> {
  const stored = await options.store.readDocument(digest)
  if (stored !== undefined && (await digestOf(stored)) === digest) return stored
  const response = await request(url, 0, options)
  const bytes = new Uint8Array(await arriving(response.arrayBuffer(), url, options.signal))
  if ((await digestOf(bytes)) !== digest) {
    throw new SelvedgeError('DIGEST_MISMATCH', `the bytes sent for ${digest} have another digest`)
  }
  await keep(options.store.writeDocument(digest, bytes))
  return bytes
}

function chooseVariant(deployment: PlanDeployment, providers: readonly ExecutionProvider[]): PlanVariant {
  for (const provider of providers) {
    const variant = deployment.variants.find((candidate) => candidate.providers.includes(provider))
    if (variant !== undefined) return variant
  }
  const offered = deployment.variants.flatMap((candidate) => candidate.providers).join(', ')
  throw new SelvedgeError(
    'PROVIDER_UNAVAILABLE',
    `${deployment.model}@${deployment.version} is made for ${offered}; this host has ${providers.join(', ')}`,
  )
}

async function loadFile(
  base: string,
  file: PlanFile,
  options: LoadOptions,
  progress: (doneBytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(file.size)
  const chunks = file.chunks.map((hex, index) => {
    const from = index * limits.chunkBytes
    return { hex, index, bytes: bytes.subarray(from, Math.min(from + limits.chunkBytes, file.size)) }
  })
  let present = 0
  for (const chunk of chunks) {
    const stored = await options.store.readChunk(file.digest as Digest, chunk.index, chunk.bytes)
    if (!stored || (await sha256(chunk.bytes)) !== chunk.hex) break
    present++
    progress(chunk.bytes.byteOffset + chunk.bytes.length)
  }
  if (present < chunks.length) await fetchChunks(base, file, bytes, chunks, present, options, progress)
  return bytes
}

interface Chunk {
  hex: string
  index: number
  bytes: Uint8Array<ArrayBuffer>
}

async function fetchChunks(
  base: string,
  file: PlanFile,
  bytes: Uint8Array<ArrayBuffer>,
  chunks: readonly Chunk[],
  first: number,
  options: LoadOptions,
  progress: (doneBytes: number) => void,
): Promise<void> {
  const from = first * limits.chunkBytes
  const response = await request(base + file.digest, from, options)
  // A server that ignores Range sends the file from its start, which is as good.
  let filled = response.status === 206 ? from : 0
  let next = response.status === 206 ? first : 0
  const reader = response.body?.getReader()
  if (reader === undefined) throw new SelvedgeError('REGISTRY_UNREACHABLE', `${file.path}: the answer has no body`)
  for (;;) {
    const { done, value } = await arriving(reader.read(), file.path, options.signal)
    if (value !== undefined) {
      if (filled + value.length > bytes.length) {
        await reader.cancel()
        throw new SelvedgeError(
          'DIGEST_MISMATCH',
          `${file.path}: more than the ${bytes.length} bytes that the plan names`,
        )
      }
      bytes.set(value, filled)
      filled += value.length
    }
    for (let chunk = chunks[next]; chunk !== undefined; chunk = chunks[next]) {
      if (filled < chunk.bytes.byteOffset - bytes.byteOffset + chunk.bytes.length) break
      if ((await sha256(chunk.bytes)) !== chunk.hex) {
        await reader.cancel()
        throw new SelvedgeError('DIGEST_MISMATCH', `${file.path}: chunk ${chunk.index} is not what the plan names`)
      }
      await keep(options.store.writeChunk(file.digest as Digest, chunk.index, chunk.bytes))
      next++
    }
    progress(filled)
    if (done) break
  }
  if (next < chunks.length) {
    throw new SelvedgeError('REGISTRY_UNREACHABLE', `${file.path}: ${filled} of ${bytes.length} bytes arrived`)
  }
}

async function loadDocument<T>(base: string, digest: string, schema: z.ZodType<T>, options: Source): Promise<T> {
  return parseDocument(await loadBlob(base + digest, digest as Digest, options), schema, digest as Digest)
}

function parseDocument<T>(bytes: Uint8Array, schema: z.ZodType<T>, digest: Digest): T {
  const parsed = schema.safeParse(JSON.parse(new TextDecoder().decode(bytes)))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new SelvedgeError('PLAN_INVALID', `document ${digest}, field ${issue?.path.join('.')}: ${issue?.message}`)
}

async function request(url: string, from: number, { token, signal }: Source): Promise<Response> {
  const headers: Record<string, string> = {}
  if (token !== undefined) headers.authorization = `Bearer ${token}`
  if (from > 0) headers.range = `bytes=${from}-`
  const response = await arriving(fetch(url, { headers, ...(signal && { signal }) }), url, signal)
  if (response.ok) return response
  throw new SelvedgeError('REGISTRY_UNREACHABLE', `${url} was answered with status ${response.status}`)
}

async function arriving<T>(transfer: Promise<T>, what: string, signal: AbortSignal | undefined): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const stalled = new Promise<never>((_, reject) => {
    const give = () => reject(new Error(`nothing came for ${limits.stallMs / 1000} s`))
    timer = setTimeout(give, limits.stallMs)
  })
  try {
    return await Promise.race([transfer, stalled])
  } catch (cause) {
    signal?.throwIfAborted()
    throw new SelvedgeError('REGISTRY_UNREACHABLE', `${what} did not arrive whole`, {}, { cause })
  } finally {
    clearTimeout(timer)
  }
}

// A full store costs a download at the next start, never an answer now.
async function keep(write: Promise<void>): Promise<void> {
  try {
    await write
  } catch (thrown) {
    if (!(thrown instanceof SelvedgeError && thrown.code === 'STORAGE_FULL')) throw thrown
  }
}
