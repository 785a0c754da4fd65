/** The page's model store in a worker, where alone it works, and what the loader makes of it. */
import { expose } from 'comlink'
import { openIndexedDbStore } from '../../browser/store/indexeddb.ts'
import type { PageStore } from '../../browser/store/port.ts'
import { openModelStore } from '../../browser/store/store.ts'
import { sha256 } from '../../runtime/bytes.ts'
import type { Digest } from '../../runtime/contract/names.ts'
import type { Plan } from '../../runtime/contract/plan.ts'
import { loadDeployment } from '../../runtime/delivery/loader.ts'
import { SelvedgeError } from '../../runtime/errors.ts'

const roomy = 2 ** 40
let store: PageStore
let release: () => void = () => undefined

const api = {
  async open(kind: 'opfs' | 'indexeddb', budgetBytes = roomy): Promise<string> {
    if (kind === 'indexeddb') {
      store = await openIndexedDbStore(budgetBytes)
      return kind
    }
    const opened = await openModelStore(budgetBytes)
    store = opened.store
    return opened.kind
  },
  writeChunk: (blob: Digest, index: number, chunk: Uint8Array<ArrayBuffer>) => store.writeChunk(blob, index, chunk),
  async readChunk(blob: Digest, index: number, length: number) {
    const into = new Uint8Array(length)
    return (await store.readChunk(blob, index, into)) ? into : undefined
  },
  writeDocument: (blob: Digest, bytes: Uint8Array<ArrayBuffer>) => store.writeDocument(blob, bytes),
  readDocument: (blob: Digest) => store.readDocument(blob),
  trim: (inUse: Digest[]) => store.trim(inUse),
  /** Resolves once this worker alone has the blob; it has it until {@link api.letGo}. */
  hold(blob: Digest): Promise<void> {
    return new Promise((held, failed) => {
      const use = () =>
        new Promise<void>((end) => {
          release = end
          held()
        })
      store.exclusively(blob, use).catch(failed)
    })
  },
  letGo: () => release(),
  /** Loads the only deployment of the plan. */
  async load(plan: Plan) {
    const [deployment] = plan.deployments
    if (deployment === undefined) throw new Error('the plan has no deployment')
    const unkept: string[] = []
    const told = (error: unknown) => void unkept.push(error instanceof SelvedgeError ? error.code : String(error))
    try {
      const { bytes } = await loadDeployment(deployment, { plan, providers: ['wasm'], store, unkept: told })
      return { digest: `sha256:${await sha256(new Uint8Array(bytes.network))}`, unkept }
    } catch (error) {
      return { error: error instanceof SelvedgeError ? error.code : String(error), message: String(error), unkept }
    }
  },
}

export type StoreApi = typeof api

expose(api)
