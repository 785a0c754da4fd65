/**
 * One process a data folder: a second registry would wipe what the first is receiving and never learn of its changes.
 *
 * The lock is SQLite's own on a database that stays empty: the operating system lets go of it when the process ends, however
 * it ends, and a second opening in the same process is refused too.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SelvedgeError } from '../runtime/errors.ts'

export interface Lock {
  /** Once or more often. */
  close(): void
}

/**
 * @param dataDir - made where it is missing
 * @throws {@link SelvedgeError} `REFUSED_TO_START` where the folder cannot be written, and while another registry has it
 */
export function openLock(dataDir: string): Lock {
  const database = openFile(dataDir)
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    throw new SelvedgeError(
      'REFUSED_TO_START',
      'another registry has this data folder open (registry.lock): end it first, or name another folder',
      {},
      { cause },
    )
  }
  return {
    close() {
      if (database.isOpen) database.close()
    },
  }
}

function openFile(dataDir: string): DatabaseSync {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    return new DatabaseSync(join(dataDir, 'registry.lock'))
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? ` (${cause.code})` : ''
    const message = `the data folder cannot be written${code}: is it a folder, on a file system that is not read-only, and yours?`
    throw new SelvedgeError('REFUSED_TO_START', message, {}, { cause })
  }
}
