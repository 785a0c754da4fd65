/** What a user pushes: an .onnx file, several files, or a folder with the model and the documents beside it. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { z } from 'zod'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { Blob } from '../oci.ts'

/** Files by their path in the version; the values are where they lie on this machine. */
export interface Source {
  models: Map<string, string>
  description?: string | undefined
  golden?: string | undefined
  profile?: string | undefined
  docs: Map<string, string>
  /** Everything else: external data where a model names it, part of the version where it was named one by one. */
  others: Map<string, string>
  named: Set<string>
}

/**
 * Files by their names, folders by the paths in them; what begins with a dot is left out.
 *
 * @throws {@link SelvedgeError} `USAGE` where nothing is there or two files have one path, `MODEL_INVALID` where no .onnx
 * file is among them
 */
export async function readSource(paths: readonly string[]): Promise<Source> {
  const source: Source = { models: new Map(), docs: new Map(), others: new Map(), named: new Set() }
  const found = new Map<string, string>()
  for (const path of paths) {
    const isFile = (await statOf(path)).isFile()
    for (const name of isFile ? [basename(path)] : await filesIn(path)) {
      if (found.has(name)) throw new SelvedgeError('USAGE', `two files would be "${name}" in the version`)
      found.set(name, isFile ? path : join(path, name))
      if (isFile) source.named.add(name)
    }
  }
  // Folders list in no order, and a manifest must come out the same every time.
  for (const name of [...found.keys()].sort()) place(source, name, found.get(name) ?? '')
  if (source.models.size > 0) return source
  const [only, ...others] = paths
  const where = others.length === 0 && only !== undefined ? `"${basename(only)}"` : `the ${found.size} files`
  throw new SelvedgeError('MODEL_INVALID', `no .onnx file in ${where}`)
}

/** @throws {@link SelvedgeError} `code` with the place in the document where it breaks its schema */
export async function readDocument<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
  code: 'DESCRIPTION_INVALID' | 'BASELINE_INVALID' | 'GOLDEN_MISMATCH' | 'INVALID_REQUEST',
): Promise<z.infer<Schema>> {
  let value: unknown
  try {
    value = JSON.parse(await readText(file))
  } catch (thrown) {
    if (thrown instanceof SyntaxError) throw new SelvedgeError(code, `${basename(file)} is no JSON: ${thrown.message}`)
    throw thrown
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new SelvedgeError(code, `${basename(file)}, ${issue?.path.join('.') || 'as a whole'}: ${issue?.message}`)
}

async function readText(file: string): Promise<string> {
  await statOf(file)
  return await readFile(file, 'utf8')
}

/** Digest and size of a file, read once as a stream. */
export async function describeFile(file: string): Promise<Blob> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
    hash.update(chunk as Buffer)
    size += (chunk as Buffer).length
  }
  return { digest: `sha256:${hash.digest('hex')}`, size, content: { file } }
}

export function describeBytes(bytes: Uint8Array): Blob {
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length, content: bytes }
}

async function statOf(path: string) {
  try {
    return await stat(path)
  } catch {
    throw new SelvedgeError('USAGE', `"${path}" is not there or cannot be read`)
  }
}

function place(source: Source, name: string, file: string): void {
  if (name.endsWith('.onnx')) source.models.set(name, file)
  else if (name === 'selvedge.json') source.description = file
  else if (name === 'golden.json') source.golden = file
  else if (name === 'profile.json') source.profile = file
  else if (/^(readme|license|licence|notice)(\.\w+)?$/i.test(name)) source.docs.set(name, file)
  else source.others.set(name, file)
}

async function filesIn(folder: string, prefix = ''): Promise<string[]> {
  const names: string[] = []
  for (const entry of await readdir(join(folder, prefix), { withFileTypes: true })) {
    if (entry.name.startsWith('.')) continue
    const name = `${prefix}${entry.name}`
    if (entry.isDirectory()) names.push(...(await filesIn(folder, `${name}/`)))
    // A link is followed to a file, not into a folder, which may be its own.
    else if (entry.isFile() || (entry.isSymbolicLink() && (await statOf(join(folder, name))).isFile())) names.push(name)
  }
  return names
}
