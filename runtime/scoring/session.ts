/** Session: one loaded variant on one execution provider. The port that `providers/node` and `providers/web` implement. */
import type { ExecutionProvider } from '../contract/names.ts'
import type { Tensors } from '../tensor/tensor.ts'

export interface Session {
  readonly provider: ExecutionProvider
  /** What the provider runs on where it has a name, such as a GPU adapter's. */
  readonly device?: string
  /** Settles when the device behind the session is gone; every run is then refused with `DEVICE_LOST`. */
  readonly lost?: Promise<void>
  /** Runs hold the JavaScript thread, one after the other: several may be asked for in one turn of the event loop. */
  readonly isSynchronous?: boolean
  /**
   * One run; a session runs one request at a time, its caller queues unless it is synchronous. Without `outputs` it gives all of them.
   *
   * @throws SelvedgeError `RUN_FAILED` where the network refuses the input, `DEVICE_LOST`
   */
  run(inputs: Tensors, outputs?: readonly string[]): Promise<Tensors>
  close(): Promise<void>
}

/** The verified bytes of one variant: the network, and the external data that it names by path. */
export interface ModelBytes {
  network: Uint8Array
  externalData: { path: string; data: Uint8Array }[]
}

/**
 * @throws SelvedgeError `MODEL_INVALID` or `OPERATOR_UNKNOWN` where ONNX Runtime cannot load the bytes,
 * `PROVIDER_UNAVAILABLE` where the host does not have the provider
 */
export type OpenSession = (bytes: ModelBytes, provider: ExecutionProvider, options?: SessionOptions) => Promise<Session>

export interface SessionOptions {
  /** Of one run; 1 where absent. A provider that has no threads of its own, or one number for all sessions, does not heed it. */
  threads?: number | undefined
}
