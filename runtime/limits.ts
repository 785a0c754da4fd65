/** Every limit of Selvedge (design, section 11) in one object; tests read the numbers from here. */

const KiB = 1024
const MiB = 1024 * KiB
const second = 1000

export const limits = {
  controlBodyBytes: 1 * MiB,
  jsonBodyBytes: 4 * MiB,
  binaryBodyBytes: 64 * MiB,
  jsonDepth: 100,
  headerBytes: 16 * KiB,
  headersTimeoutMs: 10 * second,
  jsonTimeoutMs: 30 * second,
  manifestBytes: 4 * MiB,
  telemetryBytes: 60 * KiB,
  telemetryPastMs: 7 * 24 * 3600 * second,
  telemetryFutureMs: 5 * 60 * second,
  /** From one network with one page token in a minute: a fifteenth of what a registry takes. */
  pageReports: 12_000,
  /** Units that are told to be new, from the same. */
  pageUnits: 1000,
  /** One call of a webhook, from the look-up of its name to the end of the answer. */
  webhookMs: 10 * second,
  webhookAnswerBytes: 64 * KiB,
  uploadSessionMs: 24 * 3600 * second,
  openUploads: 32,
  /** From one address in a minute. */
  wrongTokens: 60,
  /** Requests that add to one upload, and tiny pieces of one body. */
  uploadParts: 65_536,
  chunkBytes: 4 * MiB,
  graphNodes: 50_000,
  graphNesting: 32,
  graphInitializers: 20_000,
  loadMs: 60 * second,
  /** A download that brings nothing for so long is given up. */
  stallMs: 30 * second,
  runMs: 30 * second,
  outputBytes: 64 * MiB,
  queueLength: 100,
  /** Of one caller: the rest of a queue is for others. */
  callerQueueLength: 75,
  /** Of one request: each is counted, feature by feature, in the thread that runs it. */
  requestRows: 100_000,
  /** Rows that are run together: 8 to 16 were enough where it was measured. */
  batchRows: 16,
  drainMs: 30 * second,
  pageSize: 1000,
  longPollMs: 25 * second,
  /** Of an edge isolate, and what ONNX Runtime takes of it; a model takes twice its bytes while it loads. */
  edgeMemoryBytes: 128 * MiB,
  edgeRuntimeBytes: 14 * MiB,
} as const
