/** What a variant in Node asks of a page, and what a page answers. */

/**
 * `bare` is onnxruntime-web in a worker of the page's own, reached by `postMessage` with transfer; `peer` is
 * `@huggingface/transformers` in one.
 */
export type Kind = 'bare' | 'peer' | 'selvedge'

/** A model as a page uses it: one float32 input, one float32 output. */
export interface Subject {
  kind: Kind
  provider: 'wasm' | 'webgpu'
  /** The build that Selvedge's worker starts for this provider, so that bare ONNX Runtime is the same. */
  build: 'jspi' | 'wasm'
  model: { url: string; input: string; shape: readonly number[]; output: string }
  target: { registry: string; endpoint: string; token: string; key: string }
}

export type Task =
  /** One session in the page itself, without a worker. */
  | { task: 'session'; kind: 'bare' | 'selvedge'; provider: 'wasm' | 'webgpu' }
  /** Runs from the page and back, those of another in turn. */
  | { task: 'runs'; subject: Subject; beside?: Subject }
  /** The 95th percentile of requests that come as those of people do, by block, those of another in turn. */
  | { task: 'paced'; subject: Subject; beside?: Subject }
  /** Runs in a loop in the worker, of bare ONNX Runtime only. */
  | { task: 'runs inside'; subject: Subject }
  /** From navigation to the first answer. */
  | { task: 'first answer'; subject: Subject }
  /** From the loss of the WebGPU device to an answer: of anyone, or of WebGPU. */
  | { task: 'device loss'; subject: Subject; until: 'answer' | 'webgpu'; losses: number }
  /** Longest time for which the page's own thread did nothing else while it loads and runs. */
  | { task: 'blocked'; subject: Subject; runs: number }
  /** Loads, asks once and closes, so many times. */
  | { task: 'loads'; subject: Subject; count: number }
  /** Counts rows against a profile, or in a bare loop. */
  | { task: 'count'; kind: 'bare' | 'selvedge' }
  /** Fills the page's model store, or a file beside it, with so many chunks; answers their digests. */
  | { task: 'store'; work: 'fill'; into: 'selvedge' | 'bare'; count: number }
  /** Reads and verifies it, or makes the same bytes in a buffer. */
  | { task: 'store'; work: 'bare' | 'selvedge' | 'buffer'; chunks: string[] }

export interface Measured {
  samples: number[]
  /** Of the other, where one was asked in turn. */
  beside?: number[]
  answer: unknown
}
