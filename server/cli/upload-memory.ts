/**
 * Uploads that are open at a registry, so that a push that was ended goes on in the next one: a file each in the user's
 * cache folder, named by registry, repository and digest, removed when the upload is done.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { limits } from '../../runtime/limits.ts'

export interface UploadMemory {
  /** Where the upload goes on, as the registry named it. */
  recall(digest: string): Promise<string | undefined>
  keep(digest: string, location: string): Promise<void>
  forget(digest: string): Promise<void>
}

/** @param folder - made when something is kept; a folder that cannot be written costs going on later, not the push */
export function openUploadMemory(
  registry: string,
  repository: string,
  folder: string = join(cacheFolder(process.env), 'uploads'),
): UploadMemory {
  const pathOf = (digest: string) => {
    const key = createHash('sha256').update(`${registry}\n${repository}\n${digest}`).digest('hex')
    return join(folder, key)
  }
  return {
    recall: (digest) => readFile(pathOf(digest), 'utf8').catch(() => undefined),
    async keep(digest, location) {
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        await dropOld(folder)
        await writeFile(pathOf(digest), location, { mode: 0o600 })
      } catch (thrown) {
        if (!isFileError(thrown)) throw thrown
      }
    },
    forget: (digest) => rm(pathOf(digest), { force: true }),
  }
}

function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const base =
    env.XDG_CACHE_HOME ||
    (process.platform === 'win32' && env.LOCALAPPDATA) ||
    join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache')
  return join(base, 'selvedge')
}

// Those that the registry has dropped meanwhile.
async function dropOld(folder: string): Promise<void> {
  const oldest = Date.now() - limits.uploadSessionMs
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const kept = await stat(path).catch(() => undefined)
    if (kept !== undefined && kept.mtimeMs < oldest) await rm(path, { force: true })
  }
}

function isFileError(thrown: unknown): boolean {
  return thrown instanceof Error && 'syscall' in thrown
}
