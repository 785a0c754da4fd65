/** Copying a data folder, also while a registry writes to it: that is a backup, and back it is a restore. */
import { constants, existsSync } from 'node:fs'
import { copyFile, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { Blobs } from '../blobs/blobs.ts'
import { readChecked } from '../blobs/checked.ts'
import { syncFolder } from '../blobs/durable.ts'
import { openStored, placeOf } from '../blobs/files.ts'
import { openFolderBlobs } from '../blobs/folder.ts'
import { openLock } from '../lock.ts'
import type { BlobRecord } from '../store/store.ts'

export interface Copied {
  blobs: number
  bytes: number
  /** Digests of blobs whose bytes are damaged or gone where they were copied from. */
  damaged: string[]
}

const database = 'registry.db'
const planKey = 'plan-key.json'
const mostTries = 3

/**
 * First a snapshot of the database, then every blob that it names, each proven by its digest on the way; the database
 * gets its name last, so that a folder that has one is whole.
 *
 * @param from - a data folder or a backup; it is only read
 * @param into - made where it is missing
 * @throws {@link SelvedgeError} `REFUSED_TO_START` where `from` has no database or a damaged one, where `into` has one
 * already or is in use; `STORAGE_FULL`
 */
export async function copyData(from: string, into: string): Promise<Copied> {
  if (!existsSync(join(from, database))) throw refuse('there is no registry to copy: it has no registry.db')
  if (existsSync(join(into, database))) throw refuse('the folder to copy into has a registry already')
  const lock = openLock(into)
  const snapshot = join(into, `${database}.partial`)
  try {
    await copyKey(from, into)
    const blobs = await openFolderBlobs(join(into, 'blobs'))
    const copied = await copySnapshot(from, snapshot, blobs, 1)
    await syncFile(snapshot)
    await rename(snapshot, join(into, database))
    await syncFolder(into)
    return copied
  } finally {
    await rm(snapshot, { force: true })
    lock.close()
  }
}

async function copySnapshot(from: string, snapshot: string, blobs: Blobs, attempt: number): Promise<Copied> {
  await rm(snapshot, { force: true })
  const records = takeSnapshot(join(from, database), snapshot)
  const copied: Copied = { blobs: 0, bytes: 0, damaged: [] }
  for (const record of records) {
    if (await copyBlob(join(from, 'blobs'), blobs, record)) {
      copied.blobs++
      copied.bytes += record.size
    } else copied.damaged.push(record.digest)
  }
  // What a registry deletes meanwhile is gone with its blobs: the next snapshot does not name them any more.
  const isStill = copied.damaged.length === 0 || attempt === mostTries
  return isStill ? copied : await copySnapshot(from, snapshot, blobs, attempt + 1)
}

function takeSnapshot(file: string, snapshot: string): BlobRecord[] {
  const source = new DatabaseSync(file, { readOnly: true })
  try {
    source.exec('PRAGMA busy_timeout = 5000')
    source.prepare('VACUUM INTO ?').run(snapshot)
  } catch (cause) {
    throw refuse('the database cannot be read as a whole: it is damaged', cause)
  } finally {
    source.close()
  }
  const copy = new DatabaseSync(snapshot, { readOnly: true })
  try {
    const { integrity_check: found } = { ...copy.prepare('PRAGMA integrity_check').get() }
    if (found !== 'ok') throw refuse(`the copied database is not sound: ${found}`)
    const rows = copy.prepare('SELECT digest, size, chunks FROM blobs').all()
    return rows.map(({ digest, size, chunks }) => ({
      digest: String(digest),
      size: Number(size),
      chunks: JSON.parse(String(chunks)),
    }))
  } finally {
    copy.close()
  }
}

// False where the bytes are damaged or gone.
async function copyBlob(root: string, blobs: Blobs, record: BlobRecord): Promise<boolean> {
  if ((await blobs.size(record.digest)) === record.size) return true
  try {
    const stored = await openStored(placeOf(root, record.digest), record.digest)
    if (stored === undefined) return false
    try {
      await blobs.write(readChecked(stored, record, 0, record.size), record.digest)
    } finally {
      await stored.close()
    }
    return true
  } catch (error) {
    if (error instanceof SelvedgeError && error.code === 'BLOB_CORRUPT') return false
    throw error
  }
}

// Hosts pin it: with another key they would refuse every plan of the restored registry.
async function copyKey(from: string, into: string): Promise<void> {
  if (!existsSync(join(from, planKey))) throw refuse('the registry to copy has no plan-key.json')
  await rm(join(into, planKey), { force: true })
  await copyFile(join(from, planKey), join(into, planKey), constants.COPYFILE_EXCL)
  await syncFile(join(into, planKey))
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, constants.O_RDWR)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

function refuse(message: string, cause?: unknown): SelvedgeError {
  return new SelvedgeError('REFUSED_TO_START', message, {}, { cause })
}
