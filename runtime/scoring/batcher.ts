/**
 * Batcher: requests that wait for one session are run together along its free batch axis. Nothing is delayed unless a
 * deployment says so: a batch is what waited anyway.
 */
import type { Description } from '../contract/description.ts'
import { SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'
import { joinRows, sliceRows } from '../tensor/rows.ts'
import type { Tensors } from '../tensor/tensor.ts'
import type { Queue, QueueOptions } from './queue.ts'
import type { Session } from './session.ts'

export interface Batcher {
  /** @throws {@link SelvedgeError} as {@link Queue.run} and {@link Session.run} */
  run(inputs: Tensors, outputs: readonly string[] | undefined, options: QueueOptions): Promise<Ran>
}

export interface BatchSettings {
  /** The most rows of a run that more than one request shares. */
  rows?: number | undefined
  /** How long a request waits for others while nothing runs, in ms. */
  delayMs?: number | undefined
}

/** What a run gave. */
export interface Ran {
  outputs: Tensors
  /** Moment of `performance.now()` at which it left the queue. */
  startedAt: number
  batch: Batch
}

/** Who shared a run. */
export interface Batch {
  requests: number
  /** Of the run; 1 where the network has no batch axis. */
  rows: number
  /** Of this request. */
  ownRows: number
  /** Why it was one request alone. */
  alone?: Alone | undefined
}

/**
 * `idle`: nothing else waited; `axis`: the network has no free batch axis; `rows`: those who waited have too many rows to
 * share; `kind`: they want other outputs or have other shapes; `refused`: the run that it shared was refused.
 */
export type Alone = 'idle' | 'axis' | 'rows' | 'kind' | 'refused'

interface Pending {
  inputs: Tensors
  /** Undefined where it can share no run. */
  rows: number | undefined
  /** Requests of one kind can share a run. */
  kind: string
  outputs: readonly string[] | undefined
  deadline: number | undefined
  settle: { resolve(ran: Ran): void; reject(error: unknown): void }
}

/** Of short runs so many are asked for in one turn of the event loop. */
const burstMs = 2
const mostOfBurst = 16

export function openBatcher(
  session: Session,
  queue: Queue,
  description: Description,
  { rows: mostRows = limits.batchRows, delayMs = 0 }: BatchSettings = {},
): Batcher {
  const isBatchable = hasBatchAxis(description)
  const pending = new Set<Pending>()
  const delay = openDelay(delayMs)
  // Of a request that is run alone; a long run until one was seen.
  let meanMs = burstMs

  // A task of the queue that finds its request answered in an earlier batch has nothing left to do.
  async function runWith(first: Pending): Promise<void> {
    if (!pending.delete(first)) return
    if (first.rows === undefined) return await burst([first, ...take(burstOthers())])
    const { batch, alone } = batchOf(first)
    await settle(batch, alone)
  }

  function batchOf(first: Pending): { batch: Pending[]; alone: Alone } {
    const batch = [first]
    let rows = first.rows ?? 0
    let alone: Alone = 'idle'
    for (const other of pending) {
      // The queue refuses it at its turn.
      if (isLate(other)) continue
      if (other.kind !== first.kind) alone = alone === 'idle' ? 'kind' : alone
      else if (rows + (other.rows ?? mostRows) > mostRows) alone = 'rows'
      else {
        batch.push(other)
        rows += other.rows ?? 0
      }
    }
    return { batch: [first, ...take(batch.slice(1))], alone }
  }

  function take(some: readonly Pending[]): readonly Pending[] {
    for (const each of some) pending.delete(each)
    return some
  }

  // Several turns of the event loop are spared; a run that takes long must not keep what arrives meanwhile from being read.
  function burstOthers(): Pending[] {
    const count = session.isSynchronous ? Math.min(mostOfBurst, Math.floor(burstMs / meanMs)) - 1 : 0
    if (count <= 0) return []
    return [...pending].filter((each) => each.rows === undefined && !isLate(each)).slice(0, count)
  }

  async function burst(batch: readonly Pending[]): Promise<void> {
    let startedAt = performance.now()
    await Promise.all(
      batch.map(async ({ inputs, outputs: wanted, settle: { resolve, reject } }) => {
        try {
          const outputs = await session.run(inputs, wanted)
          resolve({ outputs, startedAt, batch: batchOfOne(inputs, isBatchable ? 'rows' : 'axis') })
        } catch (error) {
          reject(error)
        }
        const endedAt = performance.now()
        meanMs += (endedAt - startedAt - meanMs) * 0.1
        startedAt = endedAt
      }),
    )
  }

  function batchOfOne(inputs: Tensors, alone: Alone): Batch {
    const rows = (isBatchable ? rowsOf(inputs) : undefined) ?? 1
    return { requests: 1, rows, ownRows: rows, alone }
  }

  async function settle(batch: readonly Pending[], alone: Alone): Promise<void> {
    const [first] = batch
    if (first === undefined) return
    const requests = batch.length
    const startedAt = performance.now()
    try {
      const joined = requests === 1 ? first.inputs : joinRows(batch.map((each) => each.inputs))
      const outputs = await session.run(joined, first.outputs)
      if (requests === 1) return first.settle.resolve({ outputs, startedAt, batch: batchOfOne(first.inputs, alone) })
      const ownRows = batch.map((each) => each.rows ?? 0)
      const parts = sliceRows(outputs, ownRows)
      const rows = ownRows.reduce((sum, own) => sum + own, 0)
      for (const [i, each] of batch.entries()) {
        each.settle.resolve({ outputs: parts[i] ?? {}, startedAt, batch: { requests, rows, ownRows: ownRows[i] ?? 0 } })
      }
    } catch (error) {
      if (requests === 1 || !isRefusal(error)) {
        for (const each of batch) each.settle.reject(error)
        return
      }
      // One bad row fails alone.
      for (const each of batch) await settle([each], 'refused')
    }
  }

  return {
    async run(inputs, outputs, options) {
      const { promise, resolve, reject } = Promise.withResolvers<Ran>()
      const count = isBatchable ? rowsOf(inputs) : undefined
      const rows = count !== undefined && count < mostRows ? count : undefined
      const kind = rows === undefined ? '' : kindOf(inputs, outputs)
      const { deadline } = options
      const request: Pending = { inputs, rows, kind, outputs, deadline, settle: { resolve, reject } }
      pending.add(request)
      if (delayMs > 0 && rows !== undefined && queue.length === 0) await delay.pass(() => isFull(pending, mostRows))
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

/** One wait for all who come while it lasts; it ends early for whoever finds the batch full. */
function openDelay(ms: number): { pass(isFull: () => boolean): Promise<void> } {
  let waiting: { passed: Promise<void>; end(): void } | undefined

  return {
    async pass(isFull) {
      if (waiting === undefined) {
        const { promise, resolve } = Promise.withResolvers<void>()
        const timer = setTimeout(() => end(), ms)
        const end = () => {
          clearTimeout(timer)
          waiting = undefined
          resolve()
        }
        waiting = { passed: promise, end }
      }
      const { passed, end } = waiting
      if (isFull()) end()
      await passed
    },
  }
}

function isLate({ deadline }: Pending): boolean {
  return deadline !== undefined && performance.now() > deadline
}

function isFull(pending: ReadonlySet<Pending>, mostRows: number): boolean {
  let rows = 0
  for (const each of pending) rows += each.rows ?? 0
  return rows >= mostRows
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
