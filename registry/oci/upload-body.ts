/** What a request adds to an upload: where it starts, how much it announces, and what counts when it breaks off. */
import { SelvedgeError } from '../../runtime/errors.ts'

export interface Announced {
  /** First byte, by Content-Range. */
  start?: number | undefined
  /** By Content-Range or Content-Length. */
  length?: number | undefined
}

/**
 * Content-Range as OCI Distribution 1.1 has it, `<first>-<last>`, and Content-Length.
 *
 * @throws {@link SelvedgeError} `SIZE_INVALID` for another form and where the two disagree
 */
export function parseAnnounced(contentRange: string | undefined, contentLength: string | undefined): Announced {
  const length = contentLength === undefined ? undefined : Number(contentLength)
  if (contentRange === undefined) return { length }
  const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(contentRange) ?? []
  const start = Number(first)
  const ranged = Number(last) - start + 1
  // The regular expression decides on the form; NaN is what it leaves where it does not match.
  if (!(ranged >= 1)) {
    throw new SelvedgeError('SIZE_INVALID', `Content-Range: got "${contentRange.slice(0, 40)}", want <first>-<last>`)
  }
  if (length !== undefined && length !== ranged) {
    throw new SelvedgeError('SIZE_INVALID', `Content-Range names ${ranged} bytes, Content-Length ${length}`)
  }
  return { start, length: ranged }
}

export interface Taken {
  bytes: AsyncIterable<Uint8Array>
  /** Throws what broke the stream off, for after what came was kept. */
  demandWhole(): void
}

/**
 * A body that announces its length counts whole or not at all. A stream without a length counts as far as it came, so
 * that a line that breaks costs nothing that was received.
 */
export function takeBody(bytes: AsyncIterable<Uint8Array>, length: number | undefined): Taken {
  if (length !== undefined) return { bytes: exactly(bytes, length), demandWhole: () => undefined }
  let broken: { thrown: unknown } | undefined
  async function* asFarAsItComes(): AsyncGenerator<Uint8Array> {
    try {
      yield* bytes
    } catch (thrown) {
      broken = { thrown }
    }
  }
  return {
    bytes: asFarAsItComes(),
    demandWhole() {
      if (broken !== undefined) throw broken.thrown
    },
  }
}

async function* exactly(bytes: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array> {
  let received = 0
  for await (const part of bytes) {
    received += part.length
    if (received > length) break
    yield part
  }
  if (received === length) return
  throw new SelvedgeError(
    'SIZE_INVALID',
    `the body has ${received > length ? 'more than' : 'only'} ${Math.min(received, length)} bytes, ${length} were announced`,
  )
}
