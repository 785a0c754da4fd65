/** The one error of Selvedge: a stable code, a message about this case, a next step for the reader. */

/** HTTP status at every border. */
type Status =
  | 400
  | 401
  | 403
  | 404
  | 405
  | 408
  | 409
  | 412
  | 413
  | 415
  | 416
  | 421
  | 422
  | 428
  | 429
  | 500
  | 503
  | 504
  | 507

/** What the reader can do next; one sentence. Pages carry all of them, so they are short. */
type NextStep = string

/** Codes never change meaning. The codes of OCI Distribution 1.1 keep the names that the standard gives them. */
export const errorTable = {
  // Requests in general
  INVALID_REQUEST: [400, 'Compare it with /docs or the Open Inference Protocol.'],
  NOT_FOUND: [404, 'Check the address; `selvedge status` lists what is there.'],
  METHOD_NOT_ALLOWED: [405, 'Use a method that the Allow header lists.'],
  REQUEST_TIMEOUT: [408, 'Send faster: at least 16 KiB a second for an upload.'],
  BODY_TOO_LARGE: [413, 'Send a smaller body; large tensors go in binary form.'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'Send the content type and encoding that the route documents.'],
  HOST_NOT_ALLOWED: [421, 'Call it by the name it listens on, or start it with --host.'],
  UNAUTHENTICATED: [401, 'Send Authorization: Bearer <token>; SELVEDGE_TOKEN for the CLI.'],
  FORBIDDEN: [403, 'Use a token whose role may do this: `selvedge token create --role`.'],
  TOO_MANY_REQUESTS: [429, 'Wait for the seconds in Retry-After.'],
  INTERNAL: [500, 'Look into the log at this time; report the code.'],

  // OCI Distribution 1.1
  BLOB_UNKNOWN: [404, 'Push the blob first, or check its digest.'],
  BLOB_UPLOAD_UNKNOWN: [404, 'Start the upload again.'],
  BLOB_UPLOAD_INVALID: [416, 'Go on where the upload ends: GET on it answers with its Range.'],
  DIGEST_INVALID: [400, 'Name the digest of exactly these bytes: sha256:<64 hex digits>.'],
  MANIFEST_BLOB_UNKNOWN: [404, 'Push every blob that it names to this repository first.'],
  MANIFEST_INVALID: [400, 'Compare it with OCI image-spec 1.1 and ModelPack.'],
  MANIFEST_UNKNOWN: [404, 'Check it; /v2/<name>/tags/list shows the tags.'],
  NAME_INVALID: [400, 'Use lower-case letters and digits with single . _ - between them.'],
  NAME_UNKNOWN: [404, 'Push the model first; `selvedge status` lists the models.'],
  SIZE_INVALID: [400, 'Send exactly as many bytes as announced.'],
  DENIED: [409, 'Versions count up: push to the next number.'],
  UNSUPPORTED: [405, 'This operation of the OCI specification is not offered here.'],
  BLOB_CORRUPT: [500, 'Push it again: the stored bytes no longer match their digest.'],
  STORAGE_FULL: [507, 'Free space there; what is stored is served meanwhile.'],

  // Models
  MODEL_INVALID: [422, 'Export it as ONNX; `python -m onnx.checker` names what is wrong.'],
  MODEL_LIMIT: [422, 'Make it smaller: the limit is named in the message.'],
  EXTERNAL_DATA: [422, 'Push the folder, or name each data file beside the .onnx.'],
  OPERATOR_UNKNOWN: [422, 'Export with operators and an opset that ONNX Runtime 1.30 has.'],
  NOT_SCORABLE: [422, 'Export outputs as tensors (scikit-learn: zipmap=False).'],
  FORMAT_NOT_SCORABLE: [422, 'Export it as ONNX.'],
  VERSION_REFUSED: [422, 'Mend the model; `selvedge show` tells what its probe found.'],
  DESCRIPTION_INVALID: [422, 'Make selvedge.json agree with the inputs and outputs of the model.'],
  BASELINE_INVALID: [422, 'Give rows with a column for each feature.'],
  PARITY_FAILED: [422, 'This provider is not used here; another one answers.'],
  DEVICE_LOST: [503, 'Try again: another provider takes over.'],
  GOLDEN_MISMATCH: [422, 'Check the export: its golden outputs do not come out.'],

  // Serving and traffic
  ENSEMBLE_INVALID: [422, 'Mend the steps: `selvedge show` tells names and shapes.'],
  TRAFFIC_INVALID: [422, 'Give percentages with at most 4 decimals that sum to 100 (or all 0).'],
  PRECONDITION_REQUIRED: [428, 'Read the resource first and send its ETag in If-Match.'],
  PRECONDITION_FAILED: [412, 'It was changed meanwhile: read it again.'],
  IN_USE: [409, 'Let go of the holders that the message names.'],
  ENDPOINT_UNKNOWN: [404, 'Check the name; `selvedge status` lists the endpoints.'],
  DEPLOYMENT_UNKNOWN: [404, 'Check the name; `selvedge status <endpoint>` lists its deployments.'],
  ROLLOUT_STOPPED: [409, '`selvedge rollout <endpoint>` shows its guards.'],
  NO_TRAFFIC: [503, 'Give it some: `selvedge traffic <endpoint> <deployment>=100`.'],
  NOT_READY: [503, 'Wait for the seconds in Retry-After; /v2/health/ready tells when.'],
  QUEUE_FULL: [503, 'Send less at once or add scorers; see Retry-After.'],
  SCORER_DIED: [503, 'Try again: a new scorer is being started.'],
  DEADLINE_EXCEEDED: [504, 'Ask for less work in one request or allow more time.'],
  RUN_FAILED: [422, 'Check values and shapes against the signature of the model.'],
  OUTPUT_TOO_LARGE: [422, 'Ask for fewer outputs or rows in one request.'],

  // Tensors and records
  TENSOR_INVALID: [400, 'Make datatype, shape and data of the tensor agree.'],
  INPUT_UNKNOWN: [400, 'Use the input names of the endpoint: GET /v2/models/<endpoint>.'],
  INPUT_MISSING: [400, 'Send every input of the endpoint: GET /v2/models/<endpoint>.'],
  DATATYPE_MISMATCH: [400, 'Send the datatype that GET /v2/models/<endpoint> names.'],
  SHAPE_MISMATCH: [400, 'Compare the shape with GET /v2/models/<endpoint>.'],
  FEATURE_UNKNOWN: [400, 'Use the feature names of the endpoint: GET /v2/models/<endpoint>.'],
  FEATURE_INVALID: [400, 'Give the feature a value of its kind.'],
  NO_FEATURES: [422, 'Use infer, or push with features in selvedge.json.'],

  // Plans and hosts
  PLAN_SIGNATURE: [422, 'Pin the key of this registry: `selvedge up` prints it.'],
  PLAN_EXPIRED: [422, 'Check the clock of this machine and of the registry.'],
  PLAN_REVISION_OLD: [409, 'A newer plan was seen: the registry may be an old copy.'],
  PLAN_INVALID: [422, 'Update Selvedge on this host.'],
  NO_ED25519: [500, 'Use a browser with Ed25519 (Chrome 137, Firefox 129, Safari 17 or newer).'],
  INSECURE_CONTEXT: [500, 'Serve the page over https or from localhost.'],
  REGISTRY_UNREACHABLE: [503, 'Check the address and that `selvedge registry` or `up` runs there.'],
  SCORING_UNREACHABLE: [503, 'Check SELVEDGE_SCORING and that `selvedge serve` or `up` runs there.'],
  DIGEST_MISMATCH: [500, 'Check proxies on the way: these are other bytes.'],
  PROVIDER_UNAVAILABLE: [500, 'Use another provider or install what the message names.'],
  WORKER_UNAVAILABLE: [500, 'Check worker-src and script-src of the Content-Security-Policy.'],
  HOST_CLOSED: [503, 'Call connect again: this object was closed.'],

  // Profiles
  EDGES_DIFFER: [409, 'Compare profiles of one ProfileSpec.'],
  MONITOR_REFUSED: [409, 'Push with --baseline; name features that it counts, and webhooks that are there.'],
  VERDICT_UNPROVEN: [500, 'Use one release of Selvedge here and in the registry.'],
  TELEMETRY_REFUSED: [422, 'Report for a plan of this registry, with a right clock.'],

  // Start of a process, command line
  REFUSED_TO_START: [500, 'Follow the message; nothing was changed.'],
  SCHEMA_NEWER: [500, 'Start the Selvedge that wrote this data, or a newer one.'],
  DATABASE_DAMAGED: [500, 'Restore a backup: selvedge restore <backup> --data <new folder>.'],
  USAGE: [400, 'Run the command with --help.'],
} as const satisfies Record<string, readonly [Status, NextStep]>

export type ErrorCode = keyof typeof errorTable

/**
 * What every function of Selvedge throws on purpose.
 *
 * The message names the thing, what came and what was wanted; it never holds a path, a secret, a row or a stack.
 */
export class SelvedgeError extends Error {
  readonly code: ErrorCode
  /** Small JSON values that a program can act on, such as `{ input: 'image' }`. */
  readonly detail: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, detail: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SelvedgeError'
    this.code = code
    this.detail = detail
  }

  get status(): number {
    return errorTable[this.code][0]
  }

  get next(): string {
    return errorTable[this.code][1]
  }
}

/** An error as it crosses a worker, a process or HTTP. */
export interface ErrorMessage {
  code: ErrorCode
  message: string
  detail: Record<string, unknown>
}

/** Anything thrown, ready to cross a border; what is not ours becomes `INTERNAL` without its text, which may hold paths. */
export function encodeError(thrown: unknown): ErrorMessage {
  if (thrown instanceof SelvedgeError)
    return { code: thrown.code, message: thrown.message, detail: { ...thrown.detail } }
  return { code: 'INTERNAL', message: 'an unexpected error', detail: {} }
}

export function decodeError(message: ErrorMessage): SelvedgeError {
  const known = Object.hasOwn(errorTable, message.code)
  return new SelvedgeError(known ? message.code : 'INTERNAL', message.message, message.detail)
}
