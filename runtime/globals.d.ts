/** The few globals that every host has: pages, workers, Node and workerd. Nothing else may be used in the core. */

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean })
  decode(bytes?: Uint8Array): string
}

declare class AbortSignal {
  readonly aborted: boolean
  readonly reason: unknown
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
  static any(signals: AbortSignal[]): AbortSignal
  static timeout(ms: number): AbortSignal
}

declare class AbortController {
  readonly signal: AbortSignal
  abort(reason?: unknown): void
}

declare class URL {
  constructor(url: string, base?: string)
  readonly href: string
  readonly origin: string
}

declare class Headers {
  get(name: string): string | null
}

interface ReadableStreamPart {
  done: boolean
  value?: Uint8Array<ArrayBuffer> | undefined
}

interface ReadableByteStream {
  /** Throws where this body cannot fill buffers of the reader's; `read` takes the buffer, the part that comes has it. */
  getReader(options: { mode: 'byob' }): {
    read(into: Uint8Array<ArrayBuffer>): Promise<ReadableStreamPart>
    cancel(): Promise<void>
  }
  getReader(): { read(): Promise<ReadableStreamPart>; cancel(): Promise<void> }
  cancel(): Promise<void>
  pipeThrough(transform: CompressionStream): ReadableByteStream
}

/** Safari has it from 16.4 on. */
declare class CompressionStream {
  constructor(format: 'gzip')
}

declare class Response {
  constructor(body?: string | ReadableByteStream)
  readonly ok: boolean
  readonly status: number
  readonly headers: Headers
  readonly body: ReadableByteStream | null
  arrayBuffer(): Promise<ArrayBuffer>
  json(): Promise<unknown>
  text(): Promise<string>
}

interface RequestInit {
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array<ArrayBuffer>
  signal?: AbortSignal
  keepalive?: boolean
  cache?: 'no-store'
}

interface CryptoKey {
  readonly type: string
}

declare const crypto: {
  getRandomValues<T extends Uint8Array>(array: T): T
  readonly subtle: {
    digest(algorithm: 'SHA-256', data: Uint8Array): Promise<ArrayBuffer>
    importKey(
      format: 'raw',
      key: Uint8Array,
      algorithm: { name: string; hash?: string },
      extractable: boolean,
      usages: string[],
    ): Promise<CryptoKey>
    sign(algorithm: string, key: CryptoKey, data: Uint8Array): Promise<ArrayBuffer>
    verify(algorithm: string, key: CryptoKey, signature: Uint8Array, data: Uint8Array): Promise<boolean>
  }
}

declare const performance: { now(): number }

declare function fetch(url: string, init?: RequestInit): Promise<Response>
declare function setTimeout(callback: () => void, ms: number): object | number
declare function clearTimeout(timer: object | number | undefined): void
declare function atob(text: string): string
declare function btoa(text: string): string
