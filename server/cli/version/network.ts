/** The networks of a version: what they declare, and proof that ONNX Runtime loads them, before anything is sent. */
import { open, readFile, stat } from 'node:fs/promises'
import type { Description } from '../../../runtime/contract/description.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { describe } from '../../../runtime/onnx/describe.ts'
import { type OnnxModel, readModelWindows } from '../../../runtime/onnx/reader.ts'
import { nodeProviders, openNodeSession } from '../../../runtime/providers/node.ts'
import type { Session } from '../../../runtime/scoring/session.ts'
import type { WrittenDescription } from './description.ts'
import type { Source } from './source.ts'

export interface Network {
  /** By path in the version where they lie: the .onnx file, then its external data under the names that it gives them. */
  files: Map<string, string>
  sizeBytes: number
  description: Description
}

/** What is tried here is held in memory, two to five times; what is larger is read and hashed in pieces. */
const mostBytes = 1024 ** 3

/**
 * One network a variant, in the order of the description.
 *
 * @throws {@link SelvedgeError} what the reader refuses: `MODEL_INVALID`, `MODEL_LIMIT`, `EXTERNAL_DATA`,
 * `OPERATOR_UNKNOWN`, `NOT_SCORABLE`; `DESCRIPTION_INVALID` for a variant without a file
 */
export async function readNetworks(source: Source, { variants }: WrittenDescription): Promise<Network[]> {
  const top = [...source.models.keys()].filter((path) => !path.includes('/'))
  const files = variants?.map(({ file }) => file) ?? (top.length > 0 ? top : [...source.models.keys()])
  if (variants === undefined && files.length > 1) {
    throw new SelvedgeError(
      'DESCRIPTION_INVALID',
      `the folder has ${files.join(', ')}: name them as "variants" in a selvedge.json`,
    )
  }
  const networks: Network[] = []
  for (const file of new Set(files)) networks.push(await readNetwork(source, file))
  return networks
}

/** `cpu` where onnxruntime-node is installed, else `wasm`; undefined where the network is too large to be tried here. */
export async function openSession({ files, sizeBytes }: Network): Promise<Session | undefined> {
  if (sizeBytes > mostBytes) return undefined
  const [network = new Uint8Array(), ...data] = await Promise.all([...files.values()].map((file) => readFile(file)))
  const [, ...externals] = files.keys()
  const externalData = externals.map((path, i) => ({ path, data: data[i] ?? new Uint8Array() }))
  const { present } = await nodeProviders()
  return await openNodeSession({ network, externalData }, present.includes('cpu') ? 'cpu' : 'wasm')
}

async function readNetwork(source: Source, path: string): Promise<Network> {
  const file = source.models.get(path)
  if (file === undefined) {
    const there = [...source.models.keys()].join(', ')
    throw new SelvedgeError('DESCRIPTION_INVALID', `variant of file "${path}": what is pushed has ${there}`)
  }
  // External data is named from the folder of the network.
  const folder = path.slice(0, path.lastIndexOf('/') + 1)
  const beside = [...source.others].filter(([name]) => name.startsWith(folder))
  const allowed = new Map<string, number>()
  for (const [name, other] of beside) allowed.set(name.slice(folder.length), (await stat(other)).size)
  const model = await readFileWindows(file, allowed)
  const externals = [...new Set(model.external.map(({ location }) => location))].sort()
  const files = new Map([[path, file]])
  let sizeBytes = (await stat(file)).size
  for (const location of externals) {
    files.set(location, source.others.get(`${folder}${location}`) ?? '')
    sizeBytes += allowed.get(location) ?? 0
  }
  return { files, sizeBytes, description: describe(model, path) }
}

async function readFileWindows(file: string, allowed: ReadonlyMap<string, number>): Promise<OnnxModel> {
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const read = async (offset: number, length: number) => {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length, offset)
      return buffer.subarray(0, bytesRead)
    }
    return await readModelWindows(size, read, { allowed })
  } finally {
    await handle.close()
  }
}
