/**
 * One process a data folder: a second registry would wipe what the first is receiving and never learn of its changes.
 *
 * The lock is SQLite's own on a database that stays empty: the operating system lets go of it when the process ends, however
 * it ends, and a second opening in the same process is refused too.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SelvedgeError } from '../runtime/errors.ts'

export interface Lock {
  /** Once or more often. */
  close(): void
}

/** @throws {@link SelvedgeError} `REFUSED_TO_START` while another registry has the folder */
export function openLock(dataDir: string): Lock {
  const database = new DatabaseSync(join(dataDir, 'registry.lock'))
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
