/** Pushing a version: read, complete, prove, and only then send what the registry does not have. */
import { createReadStream } from 'node:fs'
import { type Description, description as descriptionSchema } from '../../../runtime/contract/description.ts'
import { golden as goldenSchema } from '../../../runtime/contract/golden.ts'
import { profileSpec } from '../../../runtime/contract/profile-spec.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { checkGolden, zeroInputs } from '../../../runtime/golden.ts'
import { openQueue } from '../../../runtime/queue.ts'
import type { Session } from '../../../runtime/session.ts'
import type { Context } from '../context.ts'
import { readTable, type Table, tableRecords } from '../csv.ts'
import { type Blob, pushBlob, pushManifest } from '../oci.ts'
import { buildBaseline, buildGolden, type Records, scoreRecords } from './baseline.ts'
import { chooseFeatures } from './columns.ts'
import { mergeDescription, writtenDescription } from './description.ts'
import { encodeJson, encodeManifest, type Layer } from './manifest.ts'
import { outcomeClasses, readMeaning } from './meaning.ts'
import { openSession, readNetworks } from './network.ts'
import { describeBytes, describeFile, readDocument, readSource, type Source } from './source.ts'

export interface PushOptions {
  baseline?: string | undefined
  outcome?: string | undefined
  features?: readonly string[] | undefined
  tags: Readonly<Record<string, string>>
  why?: string | undefined
  /** Files that take the place of those in a folder. */
  description?: string | undefined
  golden?: string | undefined
}

export interface PushedVersion {
  model: string
  version: number
  manifest: string
  /** False where this content was a version already. */
  registered: boolean
  sentBytes: number
  description: Description
  /** Features were made from the columns of the baseline. */
  hasProfile: boolean
  hasGolden: boolean
  /** What could not be tried or was not sent, in words. */
  remarks: string[]
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

type PreparedVersion = Pick<PushedVersion, 'description' | 'hasProfile' | 'hasGolden' | 'remarks'> & { layers: Layer[] }

async function prepareVersion(
  path: string,
  options: PushOptions,
  progress: (rows?: number) => void,
): Promise<PreparedVersion> {
  const source = await readSource(path)
  if (options.description !== undefined) source.description = options.description
  if (options.golden !== undefined) source.golden = options.golden
  const written =
    source.description === undefined
      ? {}
      : await readDocument(source.description, writtenDescription, 'DESCRIPTION_INVALID')
  const table =
    options.baseline === undefined ? undefined : await readTable(await openFile(options.baseline), 'BASELINE_INVALID')
  const networks = await readNetworks(source, written)
  const [first, ...others] = networks
  if (first === undefined) throw new SelvedgeError('DESCRIPTION_INVALID', 'no variant is described')

  let description = mergeDescription(written, first.description)
  const features =
    description.features ?? chooseFeatures(description.inputs, table, { ...options, names: options.features })
  if (features !== undefined) description = mergeDescription({ ...written, features }, first.description)

  const session = await openSession(first.bytes)
  try {
    for (const other of others) await (await openSession(other.bytes)).close()
    const documents = await makeDocuments(session, description, source, table, options, progress)
    const layers: Layer[] = []
    for (const file of new Set(networks.flatMap(({ paths }) => paths))) {
      const from = source.models.get(file) ?? source.others.get(file) ?? ''
      layers.push({ path: file, kind: 'weight', blob: await describeFile(from) })
    }
    layers.push({
      path: 'selvedge.json',
      kind: 'weightConfig',
      blob: describeBytes(encodeJson(documents.description)),
    })
    if (documents.golden) layers.push({ path: 'golden.json', kind: 'weightConfig', blob: documents.golden })
    if (documents.profile) layers.push({ path: 'profile.json', kind: 'weightConfig', blob: documents.profile })
    for (const [file, from] of source.docs) layers.push({ path: file, kind: 'doc', blob: await describeFile(from) })
    const unused = [...source.models.keys(), ...source.others.keys()].filter(
      (file) => !layers.some((layer) => layer.path === file),
    )
    return {
      layers,
      description: documents.description,
      hasProfile: documents.profile !== undefined,
      hasGolden: documents.golden !== undefined,
      remarks: [...documents.remarks, ...(unused.length > 0 ? [`not part of the version: ${unused.join(', ')}`] : [])],
    }
  } finally {
    await session.close()
  }
}

interface Documents {
  description: Description
  golden?: Blob
  profile?: Blob
  remarks: string[]
}

async function makeDocuments(
  session: Session,
  before: Description,
  source: Source,
  table: Table | undefined,
  options: PushOptions,
  progress: (rows?: number) => void,
): Promise<Documents> {
  const remarks: string[] = []
  let description = before
  let golden: Blob | undefined
  let profile: Blob | undefined

  if (source.golden !== undefined) {
    const given = await readDocument(source.golden, goldenSchema, 'GOLDEN_MISMATCH')
    await checkGolden(session, given, openQueue())
    golden = describeBytes(encodeJson(given))
  }
  if (source.profile !== undefined) {
    profile = describeBytes(encodeJson(await readDocument(source.profile, profileSpec, 'BASELINE_INVALID')))
  }
  if (table !== undefined) {
    const records = baselineRecords(table, description)
    if (description.output === undefined) {
      description = await withMeaning(session, description, records, baselineOutcomes(table, options.outcome))
    }
    const spec = await buildBaseline(session, description, records, progress)
    profile = describeBytes(encodeJson(profileSpec.parse(spec)))
    if (golden === undefined) golden = describeBytes(encodeJson(await buildGolden(session, description, records)))
  } else if (golden === undefined) {
    const remark = await tryZeros(session, description)
    if (remark !== undefined) remarks.push(remark)
  }
  return {
    // Parsed once more for the order of its keys: the same description has the same bytes, wherever it came from.
    description: descriptionSchema.parse({
      ...description,
      ...(golden !== undefined && { golden: 'golden.json' }),
      ...(profile !== undefined && { profile: 'profile.json' }),
    }),
    ...(golden !== undefined && { golden }),
    ...(profile !== undefined && { profile }),
    remarks,
  }
}

function baselineRecords(table: Table, description: Description): Records {
  if (description.features === undefined) {
    throw new SelvedgeError(
      'BASELINE_INVALID',
      'the model has no features that columns could fill: name them in a selvedge.json',
    )
  }
  if (table.rows.length === 0) throw new SelvedgeError('BASELINE_INVALID', 'the CSV file has a header and no rows')
  return tableRecords(table, description.features, 'BASELINE_INVALID')
}

function baselineOutcomes(table: Table, outcome: string | undefined): string[] | undefined {
  if (outcome === undefined) return undefined
  const at = table.columns.indexOf(outcome)
  if (at < 0) {
    const header = table.columns.join(', ')
    throw new SelvedgeError('BASELINE_INVALID', `no column "${outcome}" for --outcome; the header has: ${header}`)
  }
  return table.rows.map((row) => row[at] ?? '')
}

async function withMeaning(
  session: Session,
  description: Description,
  records: Records,
  outcomes: readonly string[] | undefined,
): Promise<Description> {
  const { value: batch } = await scoreRecords(session, description, records).next()
  if (batch === undefined) return description
  const output = readMeaning(description, batch.outputs, outcomes && outcomeClasses(outcomes))
  return output === undefined ? description : { ...description, output }
}

// Zeros are no data: a network may refuse them and still be good, but it has been loaded.
async function tryZeros(session: Session, description: Description): Promise<string | undefined> {
  const inputs = zeroInputs(description)
  if (inputs === undefined) return 'loaded, not run: its inputs have sizes that only its author knows'
  try {
    await session.run(inputs)
    return undefined
  } catch (thrown) {
    if (thrown instanceof SelvedgeError && thrown.code === 'RUN_FAILED') {
      return 'loaded, but it refused a row of zeros'
    }
    throw thrown
  }
}

async function openFile(file: string) {
  const stream = createReadStream(file)
  await new Promise((resolve, reject) => {
    stream.once('open', resolve)
    stream.once('error', () => reject(new SelvedgeError('USAGE', `"${file}" is not there or cannot be read`)))
  })
  return stream
}
