/** The networks of a version: what they declare, and proof that ONNX Runtime loads them, before anything is sent. */
import { readFile, stat } from 'node:fs/promises'
import type { Description } from '../../../runtime/contract/description.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { describe } from '../../../runtime/onnx/describe.ts'
import { readModel } from '../../../runtime/onnx/reader.ts'
import { nodeProviders, openNodeSession } from '../../../runtime/providers/node.ts'
import type { ModelBytes, Session } from '../../../runtime/session.ts'
import type { WrittenDescription } from './description.ts'
import type { Source } from './source.ts'

export interface Network {
  /** Paths in the version: the .onnx file, then its external data. */
  paths: string[]
  bytes: ModelBytes
  description: Description
}

/**
 * One network a variant, in the order of the description.
 *
 * @throws {@link SelvedgeError} what the reader refuses: `MODEL_INVALID`, `MODEL_LIMIT`, `EXTERNAL_DATA`,
 * `OPERATOR_UNKNOWN`, `NOT_SCORABLE`; `DESCRIPTION_INVALID` for a variant without a file
 */
export async function readNetworks(source: Source, { variants }: WrittenDescription): Promise<Network[]> {
  if (variants === undefined && source.models.size > 1) {
    const files = [...source.models.keys()].join(', ')
    throw new SelvedgeError(
      'DESCRIPTION_INVALID',
      `the folder has ${files}: name them as "variants" in a selvedge.json`,
    )
  }
  const files = variants?.map(({ file }) => file) ?? [...source.models.keys()]
  const networks: Network[] = []
  for (const file of new Set(files)) networks.push(await readNetwork(source, file))
  return networks
}

/** `cpu` where onnxruntime-node is installed, else `wasm`. */
export async function openSession(bytes: ModelBytes): Promise<Session> {
  const { present } = await nodeProviders()
  return await openNodeSession(bytes, present.includes('cpu') ? 'cpu' : 'wasm')
}

async function readNetwork(source: Source, path: string): Promise<Network> {
  const file = source.models.get(path)
  if (file === undefined) {
    const there = [...source.models.keys()].join(', ')
    throw new SelvedgeError('DESCRIPTION_INVALID', `variant of file "${path}": what is pushed has ${there}`)
  }
  const bytes = await readFile(file)
  const allowed = new Map<string, number>()
  for (const [name, other] of source.others) allowed.set(name, (await stat(other)).size)
  const model = readModel(bytes, { allowed })
  const externals = [...new Set(model.external.map(({ location }) => location))].sort()
  const externalData = await Promise.all(
    externals.map(async (location) => ({ path: location, data: await readFile(source.others.get(location) ?? '') })),
  )
  return {
    paths: [path, ...externals],
    bytes: { network: bytes, externalData },
    description: describe(model, path),
  }
}
