/** HTTP answers as values or errors: the three error bodies of Selvedge read back into the one error class. */
import { z } from 'zod'
import { problem } from '../../runtime/contract/control.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { asCode, codeOfStatus } from '../../runtime/oip/refusal.ts'

export interface Server {
  /** For messages: `registry` or `scoring server`. */
  what: 'registry' | 'scoring server'
  /** Base address, ending in a slash. */
  base: string
  token?: string | undefined
}

const answerMs = 30_000

/**
 * One request to a path under the server's base; `init.signal` ends it, its answer's body too.
 *
 * @param timeoutMs - until the head of the answer; 0 for none
 * @throws {@link SelvedgeError} what the server refused with; `REGISTRY_UNREACHABLE` or `SCORING_UNREACHABLE`
 */
export async function request(
  server: Server,
  path: string,
  init: RequestInit & { duplex?: 'half' } = {},
  timeoutMs: number = answerMs,
): Promise<Response> {
  const url = new URL(path, server.base)
  const headers = new Headers(init.headers)
  // An upload may be sent on to another origin, which the token is not for.
  if (server.token !== undefined && url.origin === new URL(server.base).origin) {
    headers.set('authorization', `Bearer ${server.token}`)
  }
  const signals = [init.signal, timeoutMs > 0 ? AbortSignal.timeout(timeoutMs) : undefined]
  let response: Response
  try {
    response = await fetch(url, { ...init, headers, signal: AbortSignal.any(signals.filter((each) => each != null)) })
  } catch (thrown) {
    // What went wrong with the body is not the server's doing.
    if (thrown instanceof Error && thrown.cause instanceof SelvedgeError) throw thrown.cause
    throw unreachable(server, reason(thrown), thrown)
  }
  if (!response.ok) throw await parseRefusal(server, response)
  return response
}

/** The body in pieces; a line that breaks is the same error as one that is not there. */
export async function* readBytes(server: Server, { body }: Response): AsyncGenerator<Uint8Array> {
  try {
    if (body !== null) yield* body
  } catch (thrown) {
    throw unreachable(server, reason(thrown), thrown)
  }
}

/** @throws {@link SelvedgeError} as {@link request}, and `…_UNREACHABLE` where what answers is no Selvedge */
export async function readJson<Schema extends z.ZodType>(
  server: Server,
  response: Response,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const body: unknown = await response.json().catch((thrown) => {
    throw unreachable(server, 'its answer is no JSON', thrown)
  })
  const parsed = schema.safeParse(body)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw unreachable(server, `its answer has another form at "${issue?.path.join('.')}": ${issue?.message}`)
  }
  return parsed.data
}

/** Open Container Initiative, distribution-spec 1.1, "Error Codes". */
const ociErrors = z.object({
  errors: z
    .array(
      z.object({
        code: z.string(),
        message: z.string().optional(),
        detail: z.record(z.string(), z.unknown()).catch({}),
      }),
    )
    .min(1),
})

/** Open Inference Protocol v2, "Inference Response JSON Error Object"; the code stands in a header of ours. */
const inferenceError = z.object({ error: z.string() })

async function parseRefusal(server: Server, response: Response): Promise<SelvedgeError> {
  const text = await response.text().catch(() => '')
  const body = parseJson(text)
  const fallback = codeOfStatus(response.status)
  const ours = problem.safeParse(body)
  if (ours.success) return new SelvedgeError(asCode(ours.data.type) ?? fallback, ours.data.detail)
  const oci = ociErrors.safeParse(body)
  const [first] = oci.success ? oci.data.errors : []
  if (first !== undefined) {
    // DENIED means "no access" in the standard and "versions are immutable" in ours: the status tells them apart.
    const code = response.status === 401 || response.status === 403 ? fallback : asCode(first.code)
    return new SelvedgeError(code ?? fallback, first.message ?? first.code, first.detail)
  }
  const inference = inferenceError.safeParse(body)
  if (inference.success) {
    return new SelvedgeError(asCode(response.headers.get('selvedge-error') ?? '') ?? fallback, inference.data.error)
  }
  return new SelvedgeError(fallback, `the ${server.what} answered with status ${response.status}`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function unreachable(server: Server, why: string, cause?: unknown): SelvedgeError {
  const code = server.what === 'registry' ? 'REGISTRY_UNREACHABLE' : 'SCORING_UNREACHABLE'
  return new SelvedgeError(code, `no ${server.what} at ${server.base}: ${why}`, {}, { cause })
}

function reason(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  if (thrown.name === 'TimeoutError') return `no answer within ${answerMs / 1000} s`
  // fetch says only "fetch failed"; what happened is its cause.
  const { code, message } = (thrown.cause ?? {}) as { code?: unknown; message?: unknown }
  return [code, message].find((each) => typeof each === 'string') ?? thrown.message
}
