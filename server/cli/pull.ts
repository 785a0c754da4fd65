/** `selvedge pull`: the files of a version in a folder. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { SelvedgeError } from '../../runtime/errors.ts'
import { type Context, openContext } from './context.ts'
import { downloadBlob } from './download.ts'
import { untilInterrupted } from './interrupt.ts'
import { type ModelReference, parseModelReference } from './names.ts'
import { readManifest } from './oci.ts'
import { forEachAtOnce, transfersAtOnce } from './parallel.ts'
import { openPlaces } from './places.ts'
import { renderBytes, renderTable } from './table.ts'
import { filesOf, type VersionFile } from './version/files.ts'
import { findVersion } from './version/find.ts'
import { describeFile } from './version/source.ts'

export interface Pulled {
  model: string
  version: number
  manifest: string
  folder: string
  files: VersionFile[]
  /** Digests of layers that are no single file. */
  leftOut: string[]
  /** Bytes that came now: files that were there are not fetched again. */
  fetchedBytes: number
}

export function addPull(program: Command): void {
  program
    .command('pull')
    .description('Fetch the files of a version into a folder.')
    .argument('<model[@version|@alias]>', 'such as housing@2 or housing@champion', parseModelReference)
    .option('--out <folder>', 'where the files go; default <model>-<version>')
    .addHelpText('after', help)
    .action(async (reference: ModelReference, _, command: Command) => {
      const context = openContext<{ out?: string }>(command)
      const pulled = await untilInterrupted(context.output, 'Stopped. The same command goes on from here.', () =>
        pullVersion(context, reference, context.options.out),
      )
      context.output.result(pulled, () => renderPulled(pulled))
    })
}

const help = `
Files come four at a time, are proven by their digests under a temporary name and then renamed; what is there already is
not fetched again. After a broken line or Ctrl-C the same command goes on where the bytes end. A file of the same name
with other content is never overwritten.`

/** @param out - folder; default `<model>-<version>` */
export async function pullVersion(context: Context<unknown>, reference: ModelReference, out?: string): Promise<Pulled> {
  const { registry } = context
  const { model, version, manifest } = await findVersion(context.client, reference)
  const { files, leftOut } = filesOf(await readManifest(registry, model, manifest))
  const folder = out ?? `${model}-${version}`
  const missing: VersionFile[] = []
  for (const file of files) if (!(await isThere(folder, file))) missing.push(file)
  const fetchedBytes = await fetchFiles(context, model, missing, folder)
  return { model, version, manifest, folder, files, leftOut, fetchedBytes }
}

async function isThere(folder: string, { path, digest, size }: VersionFile): Promise<boolean> {
  const target = join(folder, path)
  const found = await stat(target).catch(() => undefined)
  if (found === undefined) return false
  if (found.isFile() && found.size === size && (await describeFile(target)).digest === digest) return true
  throw new SelvedgeError('USAGE', `"${target}" is there with other content: name another folder with --out`)
}

async function fetchFiles(
  { registry, output }: Context<unknown>,
  model: string,
  files: readonly VersionFile[],
  folder: string,
): Promise<number> {
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0)
  const fetching = output.progress(`Fetching ${model}`, 'bytes')
  const places = openPlaces(fetching, totalBytes)
  let fetchedBytes = 0
  try {
    await forEachAtOnce(files, transfersAtOnce, async (file, signal) => {
      const moved = places(file.path)
      // Added after the wait: others add to it meanwhile.
      const cameBytes = await downloadBlob(registry, model, file, join(folder, file.path), { moved, signal })
      fetchedBytes += cameBytes
    })
  } finally {
    fetching.end()
  }
  return fetchedBytes
}

function renderPulled({ model, version, folder, files, leftOut, fetchedBytes }: Pulled): string {
  const rows = files.map(({ path, size }) => [path, renderBytes(size)])
  const archives = leftOut.map((digest) => `not fetched, no single file: ${digest}\n`).join('')
  const came = fetchedBytes === 0 ? 'nothing' : renderBytes(fetchedBytes)
  const table = renderTable([{ title: 'FILE' }, { title: 'SIZE', align: 'right' }], rows)
  return `${table}${archives}\n${model}@${version} is in ${folder}; ${came} fetched.\n`
}
