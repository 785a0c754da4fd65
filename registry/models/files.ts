/** The files of a version: layers of its manifest by their ModelPack path. */
import type { z } from 'zod'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import type { StoredBlob } from '../blobs/blobs.ts'
import { readWhole } from '../blobs/checked.ts'
import { findBlob, noteCorrupt, type Shelf } from '../blobs/held.ts'
import { checkedText } from '../http/json.ts'
import { filepathAnnotation, type ImageManifest } from '../oci/manifest.ts'
import type { BlobRecord } from '../store/store.ts'

export interface ModelFile {
  path: string
  record: BlobRecord
}

/**
 * Files that are one layer each; archives are passed over, for nothing is ever unpacked here.
 *
 * @throws {@link SelvedgeError} `MANIFEST_INVALID` for a path that leaves its folder or stands twice
 */
export async function filesOf(shelf: Shelf, model: string, manifest: ImageManifest): Promise<Map<string, ModelFile>> {
  const files = new Map<string, ModelFile>()
  for (const { mediaType, digest, annotations } of manifest.layers) {
    const path = annotations?.[filepathAnnotation]
    if (path === undefined || !mediaType.endsWith('.raw')) continue
    if (!isPlainPath(path)) {
      throw new SelvedgeError(
        'MANIFEST_INVALID',
        `layer path ${JSON.stringify(path.slice(0, 100))} is no relative path`,
      )
    }
    if (files.has(path)) throw new SelvedgeError('MANIFEST_INVALID', `two layers have the path ${path}`)
    files.set(path, { path, record: await findBlob(shelf, model, digest) })
  }
  return files
}

/** Opens the stored bytes of a file for as long as `use` runs. */
export async function withFile<T>(
  shelf: Shelf,
  { path, record }: ModelFile,
  use: (stored: StoredBlob) => Promise<T>,
): Promise<T> {
  const stored = await shelf.blobs.open(record.digest)
  if (stored === undefined) throw new SelvedgeError('BLOB_CORRUPT', `the stored bytes of ${path} are gone`)
  try {
    return await use(stored)
  } catch (thrown) {
    await noteCorrupt(shelf, record.digest, thrown)
    throw thrown
  } finally {
    await stored.close()
  }
}

/** @throws {@link SelvedgeError} `DESCRIPTION_INVALID` for a file that does not have the form of its schema */
export async function readDocument<T>(shelf: Shelf, file: ModelFile, schema: z.ZodType<T>): Promise<T> {
  const { path, record } = file
  if (record.size > limits.jsonBodyBytes) {
    throw new SelvedgeError('MODEL_LIMIT', `${path} has ${record.size} bytes, at most ${limits.jsonBodyBytes}`)
  }
  const bytes = await withFile(shelf, file, (stored) => readWhole(stored, record))
  const parsed = schema.safeParse(parseJson(path, bytes))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new SelvedgeError('DESCRIPTION_INVALID', `${path}, ${issue?.path.join('.') || '(root)'}: ${issue?.message}`)
}

function parseJson(path: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(checkedText(bytes))
  } catch (cause) {
    const why = cause instanceof SelvedgeError ? cause.message.replace('the body ', '') : 'is not JSON'
    throw new SelvedgeError('DESCRIPTION_INVALID', `${path} ${why}`, {}, { cause })
  }
}

function isPlainPath(path: string): boolean {
  if (path.length === 0 || path.length > 1024 || /[\\:\p{Cc}]/u.test(path)) return false
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}
