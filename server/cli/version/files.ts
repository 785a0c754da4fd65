/** The files of a version by the ModelPack paths of its layers, as they may be written into a folder. */
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { ImageManifest } from '../oci.ts'
import { filepathAnnotation } from './manifest.ts'

export interface VersionFile {
  path: string
  digest: string
  size: number
}

export interface VersionFiles {
  files: VersionFile[]
  /** Digests of layers that are no single file, such as archives: nothing is unpacked here. */
  leftOut: string[]
}

/** @throws {@link SelvedgeError} `MANIFEST_INVALID` for a path that would leave the folder or that two files would have */
export function filesOf(manifest: ImageManifest): VersionFiles {
  const files: VersionFile[] = []
  const leftOut: string[] = []
  for (const { mediaType, digest, size, annotations } of manifest.layers) {
    const path = annotations?.[filepathAnnotation]
    if (path === undefined || !mediaType.endsWith('.raw')) leftOut.push(digest)
    else files.push({ path: parsePath(path), digest, size })
  }
  demandApart(files.map(({ path }) => path))
  return { files, leftOut }
}

function parsePath(path: string): string {
  const parts = path.split('/')
  const plain = path.length <= 1024 && !/[\\:\p{Cc}]/u.test(path)
  if (plain && parts.every((part) => part !== '' && part !== '.' && part !== '..')) return path
  throw new SelvedgeError('MANIFEST_INVALID', `layer path ${JSON.stringify(path.slice(0, 100))} is no relative path`)
}

// Disks of macOS and Windows take names of either case for the same.
function demandApart(paths: readonly string[]): void {
  const taken = new Map<string, string>()
  for (const path of paths) {
    const other = taken.get(path.toLowerCase())
    if (other !== undefined) throw clash(path, other)
    taken.set(path.toLowerCase(), path)
  }
  for (const path of paths) {
    const parts = path.toLowerCase().split('/')
    for (let end = 1; end < parts.length; end += 1) {
      const other = taken.get(parts.slice(0, end).join('/'))
      if (other !== undefined) throw clash(path, other)
    }
  }
}

function clash(path: string, other: string): SelvedgeError {
  return new SelvedgeError('MANIFEST_INVALID', `the files "${other}" and "${path}" cannot lie in one folder`)
}
