/** Static files that a folder holds when the registry starts; nothing that comes later is served. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'

export interface StaticFile {
  path: string
  size: number
  digest: string
  contentType: string
}

const contentTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

/** Files of the folder and the folders below it, by their path with slashes; none without a folder. */
export async function readFiles(folder: string | undefined): Promise<Map<string, StaticFile>> {
  const files = new Map<string, StaticFile>()
  if (folder === undefined) return files
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(join(folder, '/').length).replaceAll('\\', '/')
    const contentType = contentTypes[extname(entry.name)] ?? 'application/octet-stream'
    files.set(name, { path, contentType, ...(await digestFile(path)) })
  }
  return files
}

async function digestFile(path: string): Promise<{ size: number; digest: string }> {
  const hash = createHash('sha256')
  let size = 0
  await pipeline(createReadStream(path), async (parts: AsyncIterable<Uint8Array>) => {
    for await (const part of parts) {
      hash.update(part)
      size += part.length
    }
  })
  return { size, digest: `sha256:${hash.digest('hex')}` }
}
