/** A Session on any of ONNX Runtime's JavaScript packages: they share one API. */
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-web'
import type { ExecutionProvider } from '../contract/names.ts'
import { SelvedgeError } from '../errors.ts'
import type { ModelBytes, Session } from '../scoring/session.ts'
import type { Tensors } from '../tensor/tensor.ts'
import { decodeOrtTensor, encodeOrtTensor, type OrtTensorConstructor } from './tensors.ts'

/** What is used of a package. */
export interface Ort {
  InferenceSession: { create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession> }
  Tensor: unknown
}

/** @throws {@link SelvedgeError} `OPERATOR_UNKNOWN` or `MODEL_INVALID` where ONNX Runtime refuses the model */
export async function openOrtSession(
  ort: Ort,
  bytes: ModelBytes,
  provider: ExecutionProvider,
  options: InferenceSession.SessionOptions,
): Promise<Session> {
  let session: InferenceSession
  try {
    session = await ort.InferenceSession.create(bytes.network, {
      graphOptimizationLevel: 'all',
      // Its lines go to stderr past every log; what matters of them is in the errors that it throws.
      logSeverityLevel: 4,
      ...(bytes.externalData.length > 0 && { externalData: bytes.externalData }),
      ...options,
    })
  } catch (cause) {
    throw loadError(cause)
  }
  // Released under a run, ONNX Runtime reads memory that is no more; released twice, it throws.
  const running = new Set<Promise<unknown>>()
  let closed: Promise<void> | undefined
  return {
    provider,
    async run(inputs, outputs) {
      if (closed !== undefined) throw new SelvedgeError('RUN_FAILED', 'the session was closed')
      const ran = run(session, ort.Tensor as OrtTensorConstructor, inputs, outputs)
      running.add(ran)
      try {
        return await ran
      } finally {
        running.delete(ran)
      }
    },
    close() {
      closed ??= Promise.allSettled(running).then(() => session.release())
      return closed
    },
  }
}

async function run(
  session: InferenceSession,
  Constructor: OrtTensorConstructor,
  inputs: Tensors,
  outputs: readonly string[] = session.outputNames,
): Promise<Tensors> {
  const feeds: Record<string, OrtTensor> = {}
  for (const [name, tensor] of Object.entries(inputs)) feeds[name] = encodeOrtTensor(tensor, Constructor)
  let results: InferenceSession.OnnxValueMapType
  try {
    results = await session.run(feeds, outputs)
  } catch (cause) {
    throw new SelvedgeError('RUN_FAILED', `ONNX Runtime: ${withoutPaths(cause)}`, {}, { cause })
  }
  const decoded: Tensors = {}
  for (const name of outputs) decoded[name] = decodeOrtTensor(name, results[name] as OrtTensor)
  return decoded
}

function loadError(cause: unknown): SelvedgeError {
  const text = withoutPaths(cause)
  const unknown =
    /is not a registered function\/op|No Op registered for|Could not find an implementation|Unrecognized operator|Provider type for \S+ node .*is not set/i.test(
      text,
    )
  return new SelvedgeError(unknown ? 'OPERATOR_UNKNOWN' : 'MODEL_INVALID', `ONNX Runtime: ${text}`, {}, { cause })
}

// Its texts hold the paths of its own build and, when loaded from files, of ours.
function withoutPaths(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause)
  return text
    .replace(/\S*\/\S+\.(?:cc|cpp|h|hpp|onnx|js|mjs|ts|wasm|so)(?:[:.]\d+)*\S*/g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 500)
}
