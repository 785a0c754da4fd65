/** The one error of Selvedge: a stable code, a message about this case, a next step for the reader. */

interface ErrorEntry {
  /** HTTP status at every border. */
  status:
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
  /** What the reader can do next; one sentence. */
  next: string
}

/** Codes never change meaning. The codes of OCI Distribution 1.1 keep the names that the standard gives them. */
export const errorTable = {
  // Requests in general
  INVALID_REQUEST: {
    status: 400,
    next: 'Compare the request with /docs of the registry or the Open Inference Protocol.',
  },
  NOT_FOUND: { status: 404, next: 'Check the address; `selvedge status` lists what is there.' },
  METHOD_NOT_ALLOWED: { status: 405, next: 'Use a method that the Allow header lists.' },
  REQUEST_TIMEOUT: { status: 408, next: 'Send the body faster: at least 16 KiB a second for an upload.' },
  BODY_TOO_LARGE: { status: 413, next: 'Send a smaller body; large tensors go in binary form.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, next: 'Send the content type and encoding that the route documents.' },
  HOST_NOT_ALLOWED: { status: 421, next: 'Call the server by the name it listens on, or start it with --host.' },
  UNAUTHENTICATED: { status: 401, next: 'Send a token: Authorization: Bearer <token>, or SELVEDGE_TOKEN for the CLI.' },
  FORBIDDEN: { status: 403, next: 'Use a token whose role may do this; `selvedge token create --role` makes one.' },
  TOO_MANY_REQUESTS: { status: 429, next: 'Wait for the seconds in Retry-After.' },
  INTERNAL: { status: 500, next: 'Look into the log of the process under this time; report it with the code.' },

  // OCI Distribution 1.1
  BLOB_UNKNOWN: { status: 404, next: 'Push the blob first, or check its digest.' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, next: 'Start the upload again.' },
  BLOB_UPLOAD_INVALID: { status: 416, next: 'Go on where the upload ends: GET on it answers with its Range.' },
  DIGEST_INVALID: { status: 400, next: 'Name the digest as sha256:<64 lower-case hex digits> of exactly these bytes.' },
  MANIFEST_BLOB_UNKNOWN: { status: 404, next: 'Push every blob that the manifest names to this repository first.' },
  MANIFEST_INVALID: {
    status: 400,
    next: 'Compare the manifest with OCI image-spec 1.1 and the ModelPack specification.',
  },
  MANIFEST_UNKNOWN: { status: 404, next: 'Check the tag or digest; /v2/<name>/tags/list shows the tags.' },
  NAME_INVALID: {
    status: 400,
    next: 'Use lower-case letters, digits and single . _ - between them, at most 128 characters.',
  },
  NAME_UNKNOWN: { status: 404, next: 'Push the model first; `selvedge status` lists the models.' },
  SIZE_INVALID: { status: 400, next: 'Send exactly as many bytes as announced.' },
  DENIED: { status: 409, next: 'Versions are immutable and count up by one: push to the next number.' },
  UNSUPPORTED: { status: 405, next: 'This operation of the OCI specification is not offered here.' },
  BLOB_CORRUPT: { status: 500, next: 'Push the blob again: the stored bytes no longer match their digest.' },
  STORAGE_FULL: { status: 507, next: 'Free space where this was to be stored; what is stored is served meanwhile.' },

  // Models
  MODEL_INVALID: { status: 422, next: 'Export the model as ONNX; `python -m onnx.checker` names what is wrong.' },
  MODEL_LIMIT: { status: 422, next: 'Make the model smaller: the limit is named in the message.' },
  EXTERNAL_DATA: {
    status: 422,
    next: 'Push the folder, or name each data file: selvedge push <model> model.onnx weights.bin.',
  },
  OPERATOR_UNKNOWN: { status: 422, next: 'Export with operators and an opset that ONNX Runtime 1.30 has.' },
  NOT_SCORABLE: { status: 422, next: 'Export outputs as tensors (scikit-learn: zipmap=False).' },
  VERSION_REFUSED: {
    status: 422,
    next: 'Mend the model and push it again; `selvedge show` tells what its probe found.',
  },
  DESCRIPTION_INVALID: { status: 422, next: 'Make selvedge.json agree with the inputs and outputs of the model.' },
  BASELINE_INVALID: { status: 422, next: 'Give a CSV file whose header names the features.' },
  PARITY_FAILED: { status: 422, next: 'This provider is not used here; another one answers.' },
  DEVICE_LOST: { status: 503, next: 'Try again: another provider takes over.' },
  GOLDEN_MISMATCH: { status: 422, next: 'The model does not give its golden outputs here: check the exported file.' },

  // Serving and traffic
  TRAFFIC_INVALID: {
    status: 422,
    next: 'Give each deployment a percentage with at most 4 decimals; they sum to 100 (or all to 0).',
  },
  PRECONDITION_REQUIRED: { status: 428, next: 'Read the resource first and send its ETag in If-Match.' },
  PRECONDITION_FAILED: { status: 412, next: 'Someone changed it meanwhile: read it again and decide anew.' },
  IN_USE: { status: 409, next: 'Move traffic away or delete the holders first; the message names them.' },
  ENDPOINT_UNKNOWN: { status: 404, next: 'Check the name; `selvedge status` lists the endpoints.' },
  DEPLOYMENT_UNKNOWN: { status: 404, next: 'Check the name; `selvedge status <endpoint>` lists its deployments.' },
  NO_TRAFFIC: { status: 503, next: 'Give a deployment traffic: `selvedge traffic <endpoint> <deployment>=100`.' },
  NOT_READY: { status: 503, next: 'Wait for the seconds in Retry-After; /v2/health/ready tells when.' },
  QUEUE_FULL: { status: 503, next: 'Send less at once or add scorers; Retry-After says when to try again.' },
  SCORER_DIED: { status: 503, next: 'Try again: a new scorer is being started.' },
  DEADLINE_EXCEEDED: { status: 504, next: 'Ask for less work in one request or allow more time.' },
  RUN_FAILED: { status: 422, next: 'The model refused this input: check values and shapes against its signature.' },
  OUTPUT_TOO_LARGE: { status: 422, next: 'Ask for fewer outputs or rows in one request.' },

  // Tensors and records
  TENSOR_INVALID: { status: 400, next: 'Make datatype, shape and data of the tensor agree.' },
  INPUT_UNKNOWN: { status: 400, next: 'Use the input names of the endpoint: GET /v2/models/<endpoint>.' },
  INPUT_MISSING: { status: 400, next: 'Send every input of the endpoint: GET /v2/models/<endpoint>.' },
  DATATYPE_MISMATCH: { status: 400, next: 'Send the datatype that GET /v2/models/<endpoint> names.' },
  SHAPE_MISMATCH: { status: 400, next: 'Compare the shape with GET /v2/models/<endpoint>.' },
  FEATURE_UNKNOWN: { status: 400, next: 'Use the feature names of the endpoint: GET /v2/models/<endpoint>.' },
  FEATURE_INVALID: { status: 400, next: 'Give the feature a value of its kind.' },
  NO_FEATURES: { status: 422, next: 'Use infer with tensors, or push the model with features in selvedge.json.' },

  // Plans and hosts
  PLAN_SIGNATURE: { status: 422, next: 'Pin the key of this registry: `selvedge up` prints it.' },
  PLAN_EXPIRED: { status: 422, next: 'Check the clock of this machine and of the registry.' },
  PLAN_REVISION_OLD: {
    status: 409,
    next: 'A newer plan was seen; the registry may have been restored from an old copy.',
  },
  PLAN_INVALID: { status: 422, next: 'Update Selvedge on this host: the plan has a form that it does not know.' },
  NO_ED25519: {
    status: 500,
    next: 'Use a browser whose WebCrypto has Ed25519 (Chrome 137, Firefox 129, Safari 17 or newer).',
  },
  INSECURE_CONTEXT: { status: 500, next: 'Serve the page over https or from localhost.' },
  REGISTRY_UNREACHABLE: {
    status: 503,
    next: 'Check the address and that `selvedge up` or `selvedge registry` runs there.',
  },
  SCORING_UNREACHABLE: {
    status: 503,
    next: 'Check SELVEDGE_SCORING and that `selvedge up` or `selvedge serve` runs there.',
  },
  DIGEST_MISMATCH: {
    status: 500,
    next: 'The bytes are not those that the plan names: check proxies between here and the registry.',
  },
  PROVIDER_UNAVAILABLE: { status: 500, next: 'Use another execution provider, or install what the message names.' },
  WORKER_UNAVAILABLE: { status: 500, next: 'Check worker-src and script-src of the Content-Security-Policy.' },
  HOST_CLOSED: { status: 503, next: 'Call connect again: this object was closed.' },

  // Profiles
  EDGES_DIFFER: { status: 409, next: 'Compare only profiles that were counted against one ProfileSpec.' },
  TELEMETRY_REFUSED: { status: 422, next: 'Report for a plan of this registry and with a clock within the window.' },

  // Start of a process, command line
  REFUSED_TO_START: { status: 500, next: 'Follow the message; nothing was changed.' },
  SCHEMA_NEWER: { status: 500, next: 'Start the version of Selvedge that wrote this data, or a newer one.' },
  DATABASE_DAMAGED: {
    status: 500,
    next: 'Restore a backup: selvedge restore <backup> --data <new folder>. What lies here was not changed.',
  },
  USAGE: { status: 400, next: 'Run the command with --help.' },
} as const satisfies Record<string, ErrorEntry>

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
    return errorTable[this.code].status
  }

  get next(): string {
    return errorTable[this.code].next
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
