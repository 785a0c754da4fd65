/** Registering a version: everything is read and checked first; then one transaction writes it, or nothing. */
import { createHash } from 'node:crypto'
import { type Description, description as descriptionSchema, type Variant } from '../../runtime/contract/description.ts'
import { golden as goldenSchema } from '../../runtime/contract/golden.ts'
import type { PlanFile, PlanVariant } from '../../runtime/contract/plan.ts'
import { profileSpec } from '../../runtime/contract/profile-spec.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { describe } from '../../runtime/onnx/describe.ts'
import { type OnnxModel, readModelWindows } from '../../runtime/onnx/reader.ts'
import { openChecked } from '../blobs/checked.ts'
import type { Services } from '../http/env.ts'
import { type ImageManifest, modelConfigType } from '../oci/manifest.ts'
import type { NewManifest, NewVersion } from '../store/store.ts'
import { checkAgreement, checkGolden, checkSpec } from './agreement.ts'
import { filesOf, type ModelFile, readDocument, withFile } from './files.ts'

export interface Registration {
  model: string
  target: NewVersion['target']
  manifest: ImageManifest
  record: NewManifest
  now: string
  /** Id of the token that pushes it. */
  by?: string | undefined
}

type Files = Map<string, ModelFile>

/** What is read of the files, and blobs that the manifest may not name and that stay with it. */
type Facts = Omit<NewVersion['facts'], 'sizeBytes' | 'tags' | 'why'> & { blobs: string[] }

/** A model of another format is kept for those who can read it. */
const foreign: Facts = {
  blobs: [],
  hasProfile: false,
  hasGolden: false,
  probe: { state: 'not-scorable', why: 'none of its files is an .onnx' },
}

/**
 * The number of the version.
 *
 * @throws {@link SelvedgeError} `MANIFEST_INVALID`, `DESCRIPTION_INVALID`, `DENIED`, and what reading the network throws
 */
export async function registerVersion(
  services: Services,
  { model, target, manifest, record, now, by }: Registration,
): Promise<number> {
  if (manifest.config.mediaType !== modelConfigType) {
    throw new SelvedgeError('MANIFEST_INVALID', `config has type ${manifest.config.mediaType}, want ${modelConfigType}`)
  }
  const files = await filesOf(services, model, manifest)
  const isForeign = !files.has('selvedge.json') && ![...files.keys()].some(isNetwork)
  const { blobs, ...facts } = isForeign ? foreign : await readFacts(services, model, files, now)
  const version: NewVersion = {
    model,
    by,
    manifest: { ...record, blobs: [...record.blobs, ...blobs] },
    target,
    facts: {
      sizeBytes: manifest.config.size + manifest.layers.reduce((sum, layer) => sum + layer.size, 0),
      ...annotated(manifest.annotations ?? {}),
      ...facts,
    },
  }
  const { version: number, registered } = await services.store.models.registerVersion(version, now)
  if (registered) services.probes.startPending()
  return number
}

async function readFacts(services: Services, model: string, files: Files, now: string): Promise<Facts> {
  const described = files.get('selvedge.json')
  const description = described
    ? await readDocument(services, described, descriptionSchema)
    : await describeFiles(services, files)
  const golden = await readGolden(services, files, description)
  const spec = await readSpec(services, files, description)
  const variants = await readVariants(services, files, description)
  // Hosts fetch the description by digest, whoever wrote it.
  const digest = described?.record.digest ?? (await keepDescription(services, model, description, now))
  return {
    blobs: [digest],
    description,
    hasProfile: spec !== undefined,
    hasGolden: golden !== undefined,
    spec,
    plan: { description: digest, ...(spec && { spec: spec.digest }), ...(golden && { golden }), variants },
  }
}

async function describeFiles(services: Services, files: Files): Promise<Description> {
  const networks = [...files.values()].filter(({ path }) => isNetwork(path))
  const [network] = networks
  if (network !== undefined && networks.length === 1) {
    return describe(await readNetwork(services, files, network), network.path)
  }
  throw new SelvedgeError(
    'DESCRIPTION_INVALID',
    `without selvedge.json a version has one .onnx file, this one has ${networks.length}`,
  )
}

function isNetwork(path: string): boolean {
  return path.endsWith('.onnx')
}

async function keepDescription(
  { blobs, claims, store }: Services,
  model: string,
  description: Description,
  now: string,
): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(description))
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  await claims.bring(digest, async () => {
    const record = await blobs.write(one(bytes), digest)
    await store.repositories.addBlob(model, record, now)
  })
  return digest
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function readVariants(services: Services, files: Files, description: Description): Promise<PlanVariant[]> {
  const variants: PlanVariant[] = []
  for (const variant of description.variants) {
    if (variants.some(({ id }) => id === variant.id)) {
      throw new SelvedgeError('DESCRIPTION_INVALID', `variant "${variant.id}" stands twice`)
    }
    variants.push(await readVariant(services, files, description, variant))
  }
  return variants
}

async function readVariant(
  services: Services,
  files: Files,
  description: Description,
  { id, file, providers }: Variant,
): Promise<PlanVariant> {
  const network = demandFile(files, file, `variant "${id}"`)
  const model = await readNetwork(services, files, network)
  checkAgreement(description, describe(model, file), file)
  const external = [...new Set(model.external.map(({ location }) => location))]
  return {
    id,
    providers,
    files: [network, ...external.map((path) => demandFile(files, path, `"${file}"`))].map(planFile),
  }
}

function planFile({ path, record }: ModelFile): PlanFile {
  return { path, digest: record.digest, size: record.size, chunks: record.chunks }
}

async function readNetwork(services: Services, files: Files, network: ModelFile): Promise<OnnxModel> {
  const allowed = new Map([...files.values()].map(({ path, record }) => [path, record.size]))
  allowed.delete(network.path)
  return await withFile(services, network, (stored) =>
    readModelWindows(network.record.size, openChecked(stored, network.record), { allowed }),
  )
}

async function readGolden(services: Services, files: Files, description: Description): Promise<string | undefined> {
  const file = namedFile(files, description.golden, 'golden.json')
  if (file === undefined) return undefined
  checkGolden(await readDocument(services, file, goldenSchema), description)
  return file.record.digest
}

async function readSpec(services: Services, files: Files, description: Description) {
  const file = namedFile(files, description.profile, 'profile.json')
  if (file === undefined) return undefined
  const spec = await readDocument(services, file, profileSpec)
  checkSpec(spec, description)
  return { digest: file.record.digest, spec }
}

function namedFile(files: Files, named: string | undefined, usual: string): ModelFile | undefined {
  return named === undefined ? files.get(usual) : demandFile(files, named, 'selvedge.json')
}

function demandFile(files: Files, path: string, who: string): ModelFile {
  const file = files.get(path)
  if (file !== undefined) return file
  throw new SelvedgeError('DESCRIPTION_INVALID', `${who} names the file ${path}, which the version does not have`)
}

function annotated(annotations: Readonly<Record<string, string>>): { tags: Record<string, string>; why?: string } {
  const prefix = 'selvedge.tag.'
  const tags = Object.entries(annotations)
    .filter(([key]) => key.startsWith(prefix) && key.length > prefix.length)
    .map(([key, value]) => [key.slice(prefix.length), value])
  const why = annotations['selvedge.why']
  return { tags: Object.fromEntries(tags), ...(why !== undefined && { why }) }
}
