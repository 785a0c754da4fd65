/** Fills a model store with a file and reads it: through the loader, which checks every chunk, and bare. */
import { openModelStore } from '../../browser/store/store.ts'
import { digestOf, sha256 } from '../../runtime/bytes.ts'
import type { Plan, PlanDeployment } from '../../runtime/contract/plan.ts'
import { loadDeployment } from '../../runtime/delivery/loader.ts'
import { limits } from '../../runtime/limits.ts'
import { makeNumbers } from '../workloads/numbers.ts'
import type { Measured, Task } from '../workloads/task.ts'

type StoreTask = Extract<Task, { task: 'store' }>

/** No digest of anything: a store takes a blob by any name, and chunks have digests of their own. */
const blob = `sha256:${'b'.repeat(64)}` as const
const bareFile = 'bench-bare'
const budgetBytes = 2 ** 40

self.onmessage = async ({ data }: MessageEvent<StoreTask>) => {
  postMessage(await measure(data).catch((error: unknown) => ({ error: String(error) })))
}

async function measure(task: StoreTask): Promise<Measured> {
  if (task.work === 'fill') return { samples: [1], answer: await fill(task.into, task.count) }
  const began = performance.now()
  const bytes = await read(task.work, task.chunks)
  const samples = [performance.now() - began]
  return { samples, answer: [bytes.length, bytes[0], bytes[bytes.length >> 1], bytes.at(-1)] }
}

function read(work: 'bare' | 'selvedge' | 'buffer', chunks: readonly string[]): Promise<Uint8Array> {
  if (work === 'selvedge') return readOurs(chunks)
  return work === 'bare' ? readBare() : Promise.resolve(makeBuffer(chunks.length))
}

/** @returns the digest of each chunk */
async function fill(into: 'selvedge' | 'bare', count: number): Promise<string[]> {
  const { store, kind } = await openModelStore(budgetBytes)
  if (kind !== 'opfs') throw new Error(`the store is ${kind}, want opfs`)
  const handle = await openBare(true)
  const chunk = makeChunk()
  const chunks: string[] = []
  for (let index = 0; index < count; index++) {
    markChunk(chunk, index)
    chunks.push(await sha256(chunk))
    if (into === 'selvedge') await store.writeChunk(blob, index, chunk)
    else handle.write(chunk, { at: index * limits.chunkBytes })
  }
  handle.flush()
  handle.close()
  await store.writeDocument(await digestOf(description), description)
  return chunks
}

async function readOurs(chunks: readonly string[]): Promise<Uint8Array> {
  const { store } = await openModelStore(budgetBytes)
  const deployment: PlanDeployment = {
    name: 'blue',
    model: 'file',
    version: 1,
    manifest: blob,
    description: await digestOf(description),
    variants: [
      {
        id: 'fp32',
        providers: ['wasm'],
        files: [{ path: 'model.onnx', digest: blob, size: chunks.length * limits.chunkBytes, chunks: [...chunks] }],
      },
    ],
  }
  // Whatever is not in the store would be asked of an address that is none.
  const plan = { blobs: 'http://127.0.0.1:1/' } as Plan
  return (await loadDeployment(deployment, { plan, providers: ['wasm'], store })).bytes.network
}

/** The least that gives the whole file, and proves it in one digest. */
async function readBare(): Promise<Uint8Array> {
  const handle = await openBare(false)
  const bytes = new Uint8Array(handle.getSize())
  handle.read(bytes, { at: 0 })
  handle.close()
  await sha256(bytes)
  return bytes
}

function makeBuffer(count: number): Uint8Array {
  const chunk = makeChunk()
  const bytes = new Uint8Array(count * limits.chunkBytes)
  for (let index = 0; index < count; index++) {
    markChunk(chunk, index)
    bytes.set(chunk, index * limits.chunkBytes)
  }
  return bytes
}

async function openBare(create: boolean): Promise<FileSystemSyncAccessHandle> {
  const root = await navigator.storage.getDirectory()
  return await (await root.getFileHandle(bareFile, { create })).createSyncAccessHandle({
    mode: create ? 'readwrite' : 'read-only',
  })
}

const description = new TextEncoder().encode(
  JSON.stringify({
    inputs: [{ name: 'x', datatype: 'FP32' }],
    outputs: [{ name: 'y', datatype: 'FP32' }],
    variants: [{ id: 'fp32', file: 'model.onnx', providers: ['wasm'] }],
  }),
)

function makeChunk(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(makeNumbers(7, limits.chunkBytes / 4, 1).buffer)
}

function markChunk(chunk: Uint8Array, index: number): void {
  chunk.fill(index, 0, 16)
}
