/** Which variant and provider were fastest, from visit to visit, in IndexedDB. */
import { type DBSchema, openDB } from 'idb'
import type { KeptChoice, KeptChoices } from '../runtime/choice.ts'

interface Schema extends DBSchema {
  /** By digest of the manifest and host. */
  choices: { key: [string, string]; value: KeptChoice }
}

/** @param host - adapter and version of ONNX Runtime: when one changes, candidates are compared anew */
export function openChoices(host: string): KeptChoices {
  const opening = openDB<Schema>('selvedge-choices', 1, {
    upgrade: (fresh) => void fresh.createObjectStore('choices'),
    // A page of a later version must not wait for this one.
    blocking: (_, __, event) => (event.target as IDBDatabase).close(),
  })
  // Where nothing can be kept, such as in some private windows, candidates are compared at each visit.
  const unkept = () => undefined
  return {
    read: async (manifest) => await opening.then((database) => database.get('choices', [manifest, host])).catch(unkept),
    async write(manifest, choice) {
      await opening.then((database) => database.put('choices', choice, [manifest, host])).catch(unkept)
    },
  }
}
