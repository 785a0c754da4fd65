/** What a user pushes: one .onnx file, or a folder with the model and the documents beside it. */
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
  /** Everything else in the folder: external data where a model names it. */
  others: Map<string, string>
}

/** @throws {@link SelvedgeError} `USAGE` where nothing is there, `MODEL_INVALID` where no .onnx file is in it */
export async function readSource(path: string): Promise<Source> {
  const found = await statOf(path)
  const source: Source = { models: new Map(), docs: new Map(), others: new Map() }
  if (found.isFile()) {
    source.models.set(basename(path), path)
    return source
  }
  // Folders list in no order, and a manifest must come out the same every time.
  const names = (await readdir(path, { withFileTypes: true }))
    .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    .filter((name) => !name.startsWith('.'))
    .sort()
  for (const name of names) {
    const file = join(path, name)
    if (name.endsWith('.onnx')) source.models.set(name, file)
    else if (name === 'selvedge.json') source.description = file
    else if (name === 'golden.json') source.golden = file
    else if (name === 'profile.json') source.profile = file
    else if (/^(readme|license|licence|notice)(\.\w+)?$/i.test(name)) source.docs.set(name, file)
    else source.others.set(name, file)
  }
  if (source.models.size === 0) throw new SelvedgeError('MODEL_INVALID', `no .onnx file in "${basename(path)}"`)
  return source
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
