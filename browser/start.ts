/**
 * Starting the worker wherever this module is served from (design, section 5): from the file beside it; where that is
 * refused or not there, as a blob of the same text, from beside the module or from the registry, its digest checked.
 */
import workerDigest from 'virtual:worker-digest'
import { sha256 } from '../runtime/bytes.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { watchPolicy } from './policy.ts'

/** @throws {@link SelvedgeError} `WORKER_UNAVAILABLE` with what each way said */
export async function startWorker(registry: string): Promise<Worker> {
  const policy = watchPolicy(document)
  const refusals: string[] = []
  const ways = [beside, () => fromText(besideUrl()), () => fromText(`${registry}/runtime/${ORT_VERSION}/worker.js`)]
  try {
    for (const way of ways) {
      try {
        return await way()
      } catch (error) {
        // A SecurityError, a failed fetch, an error event: the next way may still work.
        refusals.push(error instanceof Error ? error.message : String(error))
      }
    }
    const message = `no worker could be started: ${refusals.join('; ')}`
    throw await policy.explain(new SelvedgeError('WORKER_UNAVAILABLE', message))
  } finally {
    policy.close()
  }
}

// Bundlers of applications find and follow exactly this expression: it must stay literal, and stand here once. Our own
// build leaves it alone and drops the comments that say so.
function beside(): Promise<Worker> {
  return started(
    new Worker(/* @vite-ignore */ new URL(/* @vite-ignore */ './worker.js', import.meta.url), {
      type: 'module',
      name: 'selvedge',
    }),
  )
}

// Not the expression that bundlers look for, or they would emit the file a second time.
function besideUrl(): string {
  return `${import.meta.url.slice(0, import.meta.url.lastIndexOf('/'))}/worker.js`
}

// As long as the page: the worker's own threads start from it, too.
let blob: string | undefined

async function fromText(url: string): Promise<Worker> {
  blob ??= await blobOf(url)
  return await started(new Worker(blob, { type: 'module', name: 'selvedge' }))
}

async function blobOf(url: string): Promise<string> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  const text = await response.arrayBuffer()
  if ((await sha256(new Uint8Array(text))) !== workerDigest) throw new Error(`${url} is not the worker of this module`)
  return URL.createObjectURL(new Blob([text], { type: 'text/javascript' }))
}

// A worker that cannot be fetched or is blocked by a policy gives an error event and no message.
function started(worker: Worker): Promise<Worker> {
  return new Promise((resolve, reject) => {
    worker.onmessage = () => resolve(worker)
    worker.onerror = ({ message }) => {
      worker.terminate()
      reject(new Error(message || 'the worker file is missing or blocked by the page’s policy'))
    }
  })
}
