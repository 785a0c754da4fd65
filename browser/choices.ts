/** Which provider was fastest, from visit to visit: in IndexedDB, by version, adapter and version of ONNX Runtime. */
import { type DBSchema, openDB } from 'idb'
import type { KeptChoices } from '../runtime/choice.ts'
import type { ExecutionProvider } from '../runtime/contract/names.ts'

interface Schema extends DBSchema {
  choices: { key: string; value: ExecutionProvider }
}

/** @param host - adapter and version of ONNX Runtime: when one changes, providers are compared anew */
export function openChoices(host: string): KeptChoices {
  const db = openDB<Schema>('selvedge-choices', 1, { upgrade: (fresh) => void fresh.createObjectStore('choices') })
  // Where nothing can be kept, such as in some private windows, providers are compared at each visit.
  const unkept = () => undefined
  return {
    host,
    read: async (key) => await db.then((open) => open.get('choices', key)).catch(unkept),
    async write(key, provider) {
      await db.then((open) => open.put('choices', provider, key)).catch(unkept)
    },
  }
}
