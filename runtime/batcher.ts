/**
 * Batcher: requests that wait for one session are run together along its free batch axis. Nothing is delayed: a batch is
 * what waited anyway.
 */
import type { Description } from './contract/description.ts'
import { SelvedgeError } from './errors.ts'
import { limits } from './limits.ts'
import type { Queue, QueueOptions } from './queue.ts'
import { joinRows, sliceRows } from './rows.ts'
import type { Session } from './session.ts'
import type { Tensors } from './tensor.ts'

export interface Batcher {
  /** @throws {@link SelvedgeError} as {@link Queue.run} and {@link Session.run} */
  run(inputs: Tensors, outputs: readonly string[] | undefined, options: QueueOptions): Promise<Ran>
}

/** What a run gave. */
export interface Ran {
  outputs: Tensors
  /** Moment of `performance.now()` at which it left the queue. */
  startedAt: number
}

interface Pending {
  inputs: Tensors
  rows: number
  /** Requests of one kind can share a run. */
  kind: string
  outputs: readonly string[] | undefined
  settle: { resolve(ran: Ran): void; reject(error: unknown): void }
}

export function openBatcher(session: Session, queue: Queue, description: Description): Batcher {
  const isBatchable = hasBatchAxis(description)
  const pending = new Set<Pending>()

  // A task of the queue that finds its request answered in an earlier batch has nothing left to do.
  async function runWith(first: Pending): Promise<void> {
    if (!pending.has(first)) return
    const batch = [first]
    let rows = first.rows
    for (const other of pending) {
      if (other === first || other.kind !== first.kind || rows + other.rows > limits.batchRows) continue
      batch.push(other)
      rows += other.rows
    }
    for (const each of batch) pending.delete(each)
    await settle(batch)
  }

  async function settle(batch: readonly Pending[]): Promise<void> {
    const [first] = batch
    if (first === undefined) return
    const startedAt = performance.now()
    try {
      const joined = batch.length === 1 ? first.inputs : joinRows(batch.map((each) => each.inputs))
      const outputs = await session.run(joined, first.outputs)
      if (batch.length === 1) return first.settle.resolve({ outputs, startedAt })
      const parts = sliceRows(
        outputs,
        batch.map((each) => each.rows),
      )
      for (const [i, each] of batch.entries()) each.settle.resolve({ outputs: parts[i] ?? {}, startedAt })
    } catch (error) {
      if (batch.length === 1 || !isRefusal(error)) {
        for (const each of batch) each.settle.reject(error)
        return
      }
      // One bad row fails alone.
      for (const each of batch) await settle([each])
    }
  }

  async function runAlone(inputs: Tensors, outputs: readonly string[] | undefined): Promise<Ran> {
    const startedAt = performance.now()
    return { outputs: await session.run(inputs, outputs), startedAt }
  }

  return {
    async run(inputs, outputs, options) {
      const rows = isBatchable ? rowsOf(inputs) : undefined
      if (rows === undefined || rows >= limits.batchRows)
        return await queue.run(() => runAlone(inputs, outputs), options)
      const { promise, resolve, reject } = Promise.withResolvers<Ran>()
      const request = { inputs, rows, kind: kindOf(inputs, outputs), outputs, settle: { resolve, reject } }
      pending.add(request)
      // Answered in the batch of another, it need not wait for its own turn.
      queue
        .run(() => runWith(request), options)
        .catch((error) => {
          if (pending.delete(request)) reject(error)
        })
      return await promise
    },
  }
}

/** Every input and output has the same symbol on its first axis and nowhere else. */
export function hasBatchAxis({ inputs, outputs }: Description): boolean {
  const [first] = inputs
  const axis = first?.shape?.[0]
  if (typeof axis !== 'string') return false
  return [...inputs, ...outputs].every(({ shape }) => shape?.[0] === axis && !shape.slice(1).includes(axis))
}

function rowsOf(inputs: Tensors): number | undefined {
  const [first] = Object.values(inputs)
  const rows = first?.shape[0]
  // A request without a row has no place in a batch.
  return rows === undefined || rows === 0 ? undefined : rows
}

function kindOf(inputs: Tensors, outputs: readonly string[] | undefined): string {
  const shapes = Object.entries(inputs).map(([name, { datatype, shape }]) => [name, datatype, ...shape.slice(1)])
  return JSON.stringify([shapes.sort(), outputs ?? null])
}

function isRefusal(error: unknown): boolean {
  return error instanceof SelvedgeError && error.code === 'RUN_FAILED'
}
