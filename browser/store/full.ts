/** Writing where there may be no room: make some, try once more, else leave nothing of the blob behind. */
import { SelvedgeError } from '../../runtime/errors.ts'

export interface Room {
  write(): Promise<void>
  /** Removes others' bytes; false where there are none to remove. */
  makeRoom(): Promise<boolean>
  /** Removes what of the blob is there. */
  clear(): Promise<void>
}

/** @throws {@link SelvedgeError} `STORAGE_FULL` */
export async function writeWhereRoom({ write, makeRoom, clear }: Room): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (!isFull(error)) throw error
    if (await makeRoom()) {
      try {
        return await write()
      } catch (again) {
        if (!isFull(again)) throw again
      }
    }
    await clear()
    throw new SelvedgeError('STORAGE_FULL', 'the quota of this origin is used up', {}, { cause: error })
  }
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof DOMException && error.name === name
}

function isFull(error: unknown): boolean {
  return isNamed(error, 'QuotaExceededError')
}
