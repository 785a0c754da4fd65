/**
 * SHA-256 on a thread of its own: 4 MiB take 2 ms, in which the registry would answer nobody. The bytes are lent to the thread
 * and come back, so that none is copied.
 */
import { Worker } from 'node:worker_threads'

export interface Hashed {
  /** In hexadecimal. */
  hash: string
  /** What was given, in memory that is the caller's again. */
  bytes: Uint8Array<ArrayBuffer>
}

/** @param bytes - all that there is in their memory; the caller must not touch them until they come back */
export async function hashApart(bytes: Uint8Array<ArrayBuffer>): Promise<Hashed> {
  thread ??= openThread()
  return await thread(bytes)
}

let thread: ((bytes: Uint8Array<ArrayBuffer>) => Promise<Hashed>) | undefined

const program = `
const { createHash } = require('node:crypto')
const { parentPort } = require('node:worker_threads')
parentPort.on('message', (bytes) => {
  const hash = createHash('sha256').update(bytes).digest('hex')
  parentPort.postMessage({ hash, bytes }, [bytes.buffer])
})`

function openThread(): (bytes: Uint8Array<ArrayBuffer>) => Promise<Hashed> {
  const worker = new Worker(program, { eval: true })
  // Answers come in the order of the questions.
  const waiting: PromiseWithResolvers<Hashed>[] = []
  worker.on('message', (hashed: Hashed) => {
    waiting.shift()?.resolve(hashed)
    if (waiting.length === 0) worker.unref()
  })
  worker.on('error', (thrown) => {
    thread = undefined
    for (const { reject } of waiting) reject(thrown)
  })
  worker.unref()
  return (bytes) => {
    const asked = Promise.withResolvers<Hashed>()
    waiting.push(asked)
    worker.ref()
    worker.postMessage(bytes, [bytes.buffer])
    return asked.promise
  }
}
