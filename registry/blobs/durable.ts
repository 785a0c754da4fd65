/** Folders whose entries stand after a power failure, and the codes of the file system's refusals. */
import { constants } from 'node:fs'
import { mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes the folder and those above it; one that was made is durable once its parent is synced. */
export async function makeFolder(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 })
  if (made === undefined) return
  for (let at = path; ; at = dirname(at)) {
    await syncFolder(dirname(at))
    if (at === made) return
  }
}

/** After it, what was renamed into the folder stays there. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } catch (thrown) {
    // Windows cannot sync a folder; its rename is durable by itself.
    if (!hasCode(thrown, 'EPERM') || (await stat(path)).isFile()) throw thrown
  } finally {
    await folder.close()
  }
}

export function hasCode(thrown: unknown, ...codes: string[]): boolean {
  return thrown instanceof Error && 'code' in thrown && codes.includes(String(thrown.code))
}
