/** Bytes over HTTP: with a token, from an offset, given up where nothing comes for a while. */
import { SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'

export interface TransferOptions {
  token?: string | undefined
  signal?: AbortSignal | undefined
}

const partBytes = 256 * 1024

export interface Wanted {
  /** First byte; 0 where absent. */
  from?: number
  /** One past the last byte; to the end where absent. */
  to?: number | undefined
  /** Past the HTTP cache, which may hold what a captive portal once sent. */
  fresh?: boolean
}

/** @throws SelvedgeError `REGISTRY_UNREACHABLE` where no answer comes or it is a refusal; the signal's reason */
export async function request(
  url: string,
  { from = 0, to, fresh = false }: Wanted,
  options: TransferOptions,
): Promise<Response> {
  const { token, signal } = options
  const headers: Record<string, string> = {}
  if (token !== undefined) headers.authorization = `Bearer ${token}`
  if (from > 0 || to !== undefined) headers.range = `bytes=${from}-${to === undefined ? '' : to - 1}`
  const init = { headers, ...(signal && { signal }), ...(fresh && { cache: 'no-store' as const }) }
  const response = await arriving(fetch(url, init), url, signal)
  if (response.ok) return response
  await response.body?.cancel()
  throw new SelvedgeError('REGISTRY_UNREACHABLE', `${url} was answered with status ${response.status}`)
}

/**
 * The parts of a body as they come, each good until the next is asked for; whoever stops listening ends the transfer.
 *
 * @throws SelvedgeError `REGISTRY_UNREACHABLE` where the connection is cut or silent; the signal's reason
 */
export async function* partsOf(
  response: Response,
  what: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (response.body === null) return
  const { read, cancel } = openBody(response.body)
  try {
    for (;;) {
      const { done, value } = await arriving(read(), what, signal)
      if (value !== undefined && value.length > 0) yield value
      if (done) return
    }
  } finally {
    // A body that failed says so once more here.
    await cancel().catch(() => undefined)
  }
}

interface Reading {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>
  cancel(): Promise<void>
}

// One buffer goes to and fro. With a fresh one for each part, garbage that is not collected while the thread is busy
// came to 0.41–0.48 of a file of 200 MiB beside its own buffer, where it was measured; so it is 0.05.
function openBody(body: NonNullable<Response['body']>): Reading {
  let buffer = new ArrayBuffer(partBytes)
  try {
    const reader = body.getReader({ mode: 'byob' })
    const read = async () => {
      const part = await reader.read(new Uint8Array(buffer))
      if (part.value !== undefined) buffer = part.value.buffer
      return part
    }
    return { read, cancel: () => reader.cancel() }
  } catch {
    // Safari before 26 has no such bodies.
    const reader = body.getReader()
    return { read: () => reader.read(), cancel: () => reader.cancel() }
  }
}

/** What `wait` gives, or a rejection with the signal's reason as soon as it is aborted. */
export async function orAborted<T>(wait: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await wait
  let give: () => void = () => undefined
  const aborted = new Promise<never>((_, reject) => {
    give = () => reject(signal.reason)
  })
  if (signal.aborted) give()
  else signal.addEventListener('abort', give, { once: true })
  try {
    return await Promise.race([wait, aborted])
  } finally {
    signal.removeEventListener('abort', give)
  }
}

async function arriving<T>(transfer: Promise<T>, what: string, signal: AbortSignal | undefined): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const stalled = new Promise<never>((_, reject) => {
    const give = () => reject(new Error(`nothing came for ${limits.stallMs / 1000} s`))
    timer = setTimeout(give, limits.stallMs)
  })
  try {
    return await Promise.race([transfer, stalled])
  } catch (cause) {
    signal?.throwIfAborted()
    throw new SelvedgeError('REGISTRY_UNREACHABLE', `${what} did not arrive whole`, {}, { cause })
  } finally {
    clearTimeout(timer)
  }
}
