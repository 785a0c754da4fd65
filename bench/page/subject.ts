/** A model behind a worker, bare or through `connect`, to be asked in the same way. */
import { connect } from '../../browser/client.ts'
import type { ConnectionEvent } from '../../browser/protocol.ts'
import { createTensor, elementCount } from '../../runtime/tensor/tensor.ts'
import { makeNumbers } from '../workloads/numbers.ts'
import type { Subject } from '../workloads/task.ts'
import type { BareAnswer, BareRequest } from './bare-protocol.ts'

export interface Opened {
  /** Writes a frame into a buffer, as a page does for each, and asks. */
  run(): Promise<{ data: Float32Array; provider: string }>
  /** In a loop inside the worker. */
  sampleInside(): Promise<number[]>
  destroyDevice(): Promise<void>
  close(): Promise<void>
}

export function openSubject(subject: Subject, onEvent?: (event: ConnectionEvent) => void): Promise<Opened> {
  return subject.kind === 'selvedge' ? openOurs(subject, onEvent) : openWorker(subject)
}

async function openOurs(
  { model, target, provider }: Subject,
  onEvent: ((event: ConnectionEvent) => void) | undefined,
): Promise<Opened> {
  const { registry, endpoint, ...credentials } = target
  const connection = await connect(registry, endpoint, {
    ...credentials,
    providers: provider === 'webgpu' ? ['webgpu', 'wasm'] : ['wasm'],
    ...(onEvent && { onEvent }),
  })
  const frame = frameOf(model)
  // The buffer stays the page's: `infer` sends a copy.
  const buffer = new Float32Array(frame.length)
  return {
    async run() {
      buffer.set(frame)
      const answer = await connection.infer({ [model.input]: createTensor('FP32', model.shape, buffer) })
      return { data: answer.outputs[model.output]?.data as Float32Array, provider: answer.provider }
    },
    sampleInside: () => Promise.reject(new Error('there is no loop inside the worker of Selvedge')),
    destroyDevice: () => connection.rehearseDeviceLoss(),
    close: () => connection.close(),
  }
}

async function openWorker({ kind, model, provider, build }: Subject): Promise<Opened> {
  const worker = kind === 'peer' ? startPeer() : build === 'jspi' ? startJspi() : startWasm()

  function ask(request: BareRequest, transfer: Transferable[] = []): Promise<BareAnswer> {
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<BareAnswer>) =>
        'error' in data ? reject(new Error(data.error)) : resolve(data)
      worker.onerror = ({ message }) => reject(new Error(message))
      worker.postMessage(request, transfer)
    })
  }

  await ask({ do: 'open', model, provider })
  const frame = frameOf(model)
  return {
    async run() {
      // What is transferred is gone: each frame has a buffer of its own.
      const data = frame.slice()
      const answer = await ask({ do: 'run', data }, [data.buffer])
      if (!('data' in answer)) throw new Error('the worker gave no data')
      return { data: answer.data, provider }
    },
    async sampleInside() {
      const answer = await ask({ do: 'sample', data: frame })
      if (!('samples' in answer)) throw new Error('the worker gave no samples')
      return answer.samples
    },
    destroyDevice: async () => void (await ask({ do: 'destroy device' })),
    close: async () => worker.terminate(),
  }
}

function frameOf({ shape }: Subject['model']): Float32Array<ArrayBuffer> {
  return makeNumbers(5, elementCount(shape), 1)
}

// A bundler finds a worker where its address stands in the call.
const startPeer = () => new Worker(new URL('./peer-worker.ts', import.meta.url), { type: 'module' })
const startJspi = () => new Worker(new URL('./bare-jspi.ts', import.meta.url), { type: 'module' })
const startWasm = () => new Worker(new URL('./bare-wasm.ts', import.meta.url), { type: 'module' })
