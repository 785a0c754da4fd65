/** What a page and its worker with bare ONNX Runtime say to each other: one request after another. */
import type { Subject } from '../workloads/task.ts'

export type BareRequest =
  | { do: 'open'; model: Subject['model']; provider: 'wasm' | 'webgpu' }
  /** Transferred there and back. */
  | { do: 'run'; data: Float32Array<ArrayBuffer> }
  | { do: 'sample'; data: Float32Array<ArrayBuffer> }
  | { do: 'destroy device' }

export type BareAnswer =
  | { data: Float32Array<ArrayBuffer> }
  | { samples: number[] }
  | { error: string }
  | { done: true }
