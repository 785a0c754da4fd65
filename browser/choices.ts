/** What measurements showed, from visit to visit, in IndexedDB: the fastest variant and provider, and threads. */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb'
import type { KeptChoice, KeptChoices } from '../runtime/scoring/choice.ts'
import type { KeptTrials, ThreadTrial } from './threads.ts'

/** Each by digest of the manifest and host. */
interface Schema extends DBSchema {
  choices: { key: [string, string]; value: KeptChoice }
  threads: { key: [string, string]; value: ThreadTrial }
}

/** @param host - adapter and version of ONNX Runtime: when one changes, candidates are compared anew */
export function openChoices(host: string): KeptChoices {
  const opening = openKept()
  // Where nothing can be kept, such as in some private windows, candidates are compared at each visit.
  const unkept = () => undefined
  return {
    read: async (manifest) => await opening.then((database) => database.get('choices', [manifest, host])).catch(unkept),
    async write(manifest, choice) {
      await opening.then((database) => database.put('choices', choice, [manifest, host])).catch(unkept)
    },
  }
}

/** @param host - number of cores and version of ONNX Runtime: when one changes, threads are tried anew */
export function openTrials(host: string): KeptTrials {
  const opening = openKept()
  const unkept = () => undefined
  return {
    read: async (manifest) => await opening.then((database) => database.get('threads', [manifest, host])).catch(unkept),
    async write(manifest, trial) {
      await opening.then((database) => database.put('threads', trial, [manifest, host])).catch(unkept)
    },
    async forget(manifest) {
      await opening.then((database) => database.delete('threads', [manifest, host])).catch(unkept)
    },
  }
}

function openKept(): Promise<IDBPDatabase<Schema>> {
  return openDB<Schema>('selvedge-choices', 2, {
    upgrade(database, from) {
      if (from < 1) database.createObjectStore('choices')
      database.createObjectStore('threads')
    },
    // A page of a later version must not wait for this one.
    blocking: (_, __, event) => (event.target as IDBDatabase).close(),
  })
}
