/** Preparing a version: read, complete and try everything before a byte is sent. */
import { type Description, description as descriptionSchema } from '../../../runtime/contract/description.ts'
import { golden as goldenSchema } from '../../../runtime/contract/golden.ts'
import { profileSpec } from '../../../runtime/contract/profile-spec.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { checkGolden, zeroInputs } from '../../../runtime/scoring/golden.ts'
import { openQueue } from '../../../runtime/scoring/queue.ts'
import type { Session } from '../../../runtime/scoring/session.ts'
import type { Blob } from '../oci.ts'
import { openRowFile } from '../rows/file.ts'
import { demandColumn, readRecords } from '../rows/records.ts'
import type { RowFile } from '../rows/row.ts'
import { type Survey, surveyRows } from '../rows/survey.ts'
import { type BaselineRows, buildBaseline, buildGolden, type Records, scoreRecords } from './baseline.ts'
import { chooseFeatures } from './columns.ts'
import { mergeDescription, writtenDescription } from './description.ts'
import { encodeJson, type Layer } from './manifest.ts'
import { outcomeClass, outcomeClasses, readMeaning } from './meaning.ts'
import { type Network, openSession, readNetworks } from './network.ts'
import { describeBytes, describeFile, readDocument, readSource, type Source } from './source.ts'

export interface PrepareOptions {
  baseline?: string | undefined
  outcome?: string | undefined
  features?: readonly string[] | undefined
  /** Files that take the place of those in a folder. */
  description?: string | undefined
  golden?: string | undefined
}

export interface PreparedVersion {
  layers: Layer[]
  description: Description
  hasProfile: boolean
  hasGolden: boolean
  /** What could not be tried or is not part of it, in words. */
  remarks: string[]
}

/**
 * @param paths - files, or a folder
 * @param progress - told now and then, with the rows of the baseline that were scored
 * @throws {@link SelvedgeError} what is wrong with the version
 */
export async function prepareVersion(
  paths: readonly string[],
  options: PrepareOptions,
  progress: (rows?: number) => void,
): Promise<PreparedVersion> {
  const source = await readSource(paths)
  if (options.description !== undefined) source.description = options.description
  if (options.golden !== undefined) source.golden = options.golden
  const written =
    source.description === undefined
      ? {}
      : await readDocument(source.description, writtenDescription, 'DESCRIPTION_INVALID')
  source.golden ??= namedFile(source, 'golden', written.golden)
  source.profile ??= namedFile(source, 'profile', written.profile)
  const table = options.baseline === undefined ? undefined : await openTable(options.baseline)
  const networks = await readNetworks(source, written)
  const [first, ...others] = networks
  if (first === undefined) throw new SelvedgeError('DESCRIPTION_INVALID', 'no variant is described')

  let description = mergeDescription(written, first.description)
  if (description.features !== undefined && options.features !== undefined) {
    throw new SelvedgeError(
      'DESCRIPTION_INVALID',
      'features stand in selvedge.json and in --features: give one of them',
    )
  }
  const features =
    description.features ?? chooseFeatures(description.inputs, table?.survey, { ...options, names: options.features })
  if (features !== undefined) description = mergeDescription({ ...written, features }, first.description)

  const session = await openSession(first)
  try {
    for (const other of others) await (await openSession(other))?.close()
    const documents = await makeDocuments(session, description, source, table, options, progress)
    const { layers, leftOut } = await makeLayers(source, networks, documents)
    return {
      layers,
      description: documents.description,
      hasProfile: documents.profile !== undefined,
      hasGolden: documents.golden !== undefined,
      remarks: [...documents.remarks, ...(leftOut.length > 0 ? [`not part of the version: ${listFew(leftOut)}`] : [])],
    }
  } finally {
    await session?.close()
  }
}

async function makeLayers(
  source: Source,
  networks: readonly Network[],
  { description, golden, profile }: Documents,
): Promise<{ layers: Layer[]; leftOut: string[] }> {
  const layers: Layer[] = []
  const used = new Set<string>()
  for (const [path, file] of weightFiles(networks)) {
    layers.push({ path, kind: 'weight', blob: await describeFile(file) })
    used.add(file)
  }
  layers.push({ path: 'selvedge.json', kind: 'weightConfig', blob: describeBytes(encodeJson(description)) })
  if (golden) layers.push({ path: 'golden.json', kind: 'weightConfig', blob: golden })
  if (profile) layers.push({ path: 'profile.json', kind: 'weightConfig', blob: profile })
  const left = [...source.models, ...source.others].filter(([, file]) => !used.has(file))
  for (const [path, file] of left.filter(([name]) => source.named.has(name))) {
    layers.push({ path, kind: 'weightConfig', blob: await describeFile(file) })
  }
  for (const [path, file] of source.docs) layers.push({ path, kind: 'doc', blob: await describeFile(file) })
  return { layers, leftOut: left.map(([name]) => name).filter((name) => !source.named.has(name)) }
}

function weightFiles(networks: readonly Network[]): Map<string, string> {
  const files = new Map<string, string>()
  for (const [path, file] of networks.flatMap((network) => [...network.files])) {
    const other = files.get(path)
    if (other !== undefined && other !== file) {
      throw new SelvedgeError('DESCRIPTION_INVALID', `two variants name "${path}", each a file of its own folder`)
    }
    files.set(path, file)
  }
  return files
}

function listFew(names: readonly string[]): string {
  return names.length <= 8 ? names.join(', ') : `${names.slice(0, 7).join(', ')} and ${names.length - 7} more`
}

function namedFile(source: Source, what: 'golden' | 'profile', path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  const file = source.others.get(path)
  if (file === undefined) throw new SelvedgeError('DESCRIPTION_INVALID', `${what}: no file "${path}" beside the model`)
  source.others.delete(path)
  return file
}

/** The baseline's file, and what its columns hold. */
interface Table {
  file: RowFile
  survey: Survey
}

interface Documents {
  description: Description
  golden?: Blob
  profile?: Blob
  remarks: string[]
}

async function makeDocuments(
  session: Session | undefined,
  before: Description,
  source: Source,
  table: Table | undefined,
  options: PrepareOptions,
  progress: (rows?: number) => void,
): Promise<Documents> {
  const remarks: string[] = []
  let description = before
  let golden: Blob | undefined
  let profile: Blob | undefined

  if (source.golden !== undefined) {
    const given = await readDocument(source.golden, goldenSchema, 'GOLDEN_MISMATCH')
    if (session !== undefined) await checkGolden(session, given, openQueue())
    golden = describeBytes(encodeJson(given))
  }
  if (source.profile !== undefined) {
    profile = describeBytes(encodeJson(await readDocument(source.profile, profileSpec, 'BASELINE_INVALID')))
  }
  if (session === undefined) {
    if (table !== undefined) throw new SelvedgeError('MODEL_LIMIT', 'the model is too large to score a baseline here')
    remarks.push('not tried here: it is larger than 1 GiB')
  } else if (table !== undefined) {
    const { outcome } = options
    if (outcome !== undefined) demandColumn(table.survey, outcome, ' for --outcome')
    const first = await firstRecords(table, description)
    if (description.output === undefined) {
      const outcomes = outcome === undefined ? undefined : table.survey.columns.get(outcome)?.values
      description = await withMeaning(session, description, first, outcomes)
    }
    const made = await buildBaseline(session, description, readBaseline(table, description, outcome), progress)
    profile = describeBytes(encodeJson(profileSpec.parse(made.spec)))
    if (made.withoutOutcome > 0) remarks.push(lackOfOutcomes(made, outcome))
    const samples = golden === undefined ? await buildGolden(session, description, first) : undefined
    if (samples !== undefined) golden = describeBytes(encodeJson(samples))
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

async function openTable(path: string): Promise<Table> {
  const file = await openRowFile(path)
  return { file, survey: await surveyRows(file) }
}

async function* readBaseline(
  { file, survey }: Table,
  { features = [], output }: Description,
  outcome: string | undefined,
): AsyncGenerator<BaselineRows> {
  const classes = output?.kind === 'classification' && output.classes.length === 2 ? output.classes : undefined
  for await (const { records, rows } of readRecords(file, survey, features)) {
    const outcomes =
      outcome === undefined || classes === undefined
        ? undefined
        : rows.map((row) => outcomeClass(classes, Object.hasOwn(row, outcome) ? row[outcome] : undefined))
    yield { records, ...(outcomes && { outcomes }) }
  }
}

async function firstRecords({ file, survey }: Table, { features }: Description): Promise<Records> {
  if (features === undefined) {
    throw new SelvedgeError(
      'BASELINE_INVALID',
      'the model has no features that columns could fill: name them in a selvedge.json',
    )
  }
  for await (const { records } of readRecords(file, survey, features)) return records
  throw new SelvedgeError('BASELINE_INVALID', 'the baseline has no rows')
}

function lackOfOutcomes({ rows, withoutOutcome }: { rows: number; withoutOutcome: number }, outcome = ''): string {
  return `${withoutOutcome} of ${rows} rows have no class in "${outcome}": performance without outcomes is not estimated`
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
