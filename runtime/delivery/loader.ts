/** Loading a deployment: a variant for this host, its files, and the documents that describe it. */
import type { z } from 'zod'
import { type Description, description as descriptionSchema } from '../contract/description.ts'
import { type Golden, golden as goldenSchema } from '../contract/golden.ts'
import type { Digest, ExecutionProvider } from '../contract/names.ts'
import type { Plan, PlanDeployment, PlanVariant } from '../contract/plan.ts'
import { type ProfileSpec, profileSpec } from '../contract/profile-spec.ts'
import { SelvedgeError } from '../errors.ts'
import type { ModelBytes } from '../scoring/session.ts'
import { loadBlob, loadFile, type Source } from './blobs.ts'
import { candidatesOf, type Lacks } from './candidates.ts'

/** A deployment with all that a scorer needs of it. */
export interface LoadedDeployment {
  deployment: PlanDeployment
  description: Description
  spec?: ProfileSpec
  golden?: Golden
  variant: PlanVariant
  bytes: ModelBytes
}

export interface LoadOptions extends Source {
  plan: Plan
  /** In order of preference; the first variant made for one of them is taken, unless a host of these lacks something. */
  providers: readonly ExecutionProvider[]
  lacks?: Lacks | undefined
  /** Id of the variant that was chosen before; taken where it is still there. */
  chosen?: string | undefined
  /** Bytes of model files proven or on their way so far, of all; for a progress bar. */
  progress?: ((doneBytes: number, totalBytes: number) => void) | undefined
}

/**
 * @throws {@link SelvedgeError} `DIGEST_MISMATCH` where the registry sends other bytes than the plan names,
 * `PROVIDER_UNAVAILABLE` where no variant is made for these providers, `REGISTRY_UNREACHABLE`
 */
export async function loadDeployment(deployment: PlanDeployment, options: LoadOptions): Promise<LoadedDeployment> {
  const variant = chooseVariant(deployment, options)
  const base = baseOf(deployment, options)
  const [bytes, description, spec, golden] = await Promise.all([
    loadVariant(deployment, variant, options),
    loadDocument(base, deployment.description, descriptionSchema, options),
    deployment.spec && loadDocument(base, deployment.spec, profileSpec, options),
    deployment.golden && loadDocument(base, deployment.golden, goldenSchema, options),
  ])
  return { deployment, variant, bytes, description, ...(spec && { spec }), ...(golden && { golden }) }
}

/** @throws {@link SelvedgeError} `DIGEST_MISMATCH`, `REGISTRY_UNREACHABLE` */
export async function loadVariant(
  deployment: PlanDeployment,
  variant: PlanVariant,
  options: Omit<LoadOptions, 'providers'>,
): Promise<ModelBytes> {
  const base = baseOf(deployment, options)
  const total = variant.files.reduce((sum, file) => sum + file.size, 0)
  let before = 0
  const files: Uint8Array<ArrayBuffer>[] = []
  for (const file of variant.files) {
    const start = before
    files.push(await loadFile(base + file.digest, file, options, (done) => options.progress?.(start + done, total)))
    before += file.size
  }
  const [network, ...external] = files
  if (network === undefined) throw new SelvedgeError('PLAN_INVALID', `variant ${variant.id} has no file`)
  return { network, externalData: external.map((data, i) => ({ path: variant.files[i + 1]?.path ?? '', data })) }
}

function chooseVariant(deployment: PlanDeployment, { providers, lacks, chosen }: LoadOptions): PlanVariant {
  const candidates = candidatesOf(deployment, providers)
  const candidate =
    candidates.find(({ variant }) => variant.id === chosen) ??
    candidates.find((each) => lacks?.(each) === undefined) ??
    candidates[0]
  if (candidate !== undefined) return candidate.variant
  const offered = deployment.variants.flatMap((each) => each.providers).join(', ')
  throw new SelvedgeError(
    'PROVIDER_UNAVAILABLE',
    `${deployment.model}@${deployment.version} is made for ${offered}; this host has ${providers.join(', ')}`,
  )
}

function baseOf({ model }: PlanDeployment, { plan }: Pick<LoadOptions, 'plan'>): string {
  return `${plan.blobs}${model}/blobs/`
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
