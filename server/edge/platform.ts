/** What is used of an edge platform beside the web's own names (https://developers.cloudflare.com/workers/runtime-apis). */
import type { TimingSafeEqual } from '../front/callers.ts'

export interface ExecutionContext {
  /** The isolate goes on for this promise when the answer is out, for 30 s at most. */
  waitUntil(promise: Promise<unknown>): void
}

export interface PlatformCache {
  match(url: string): Promise<Response | undefined>
  put(url: string, response: Response): Promise<void>
}

/** `caches.default`; undefined where the platform has none. */
export function platformCache(): PlatformCache | undefined {
  return (globalThis as { caches?: { default?: PlatformCache } }).caches?.default
}

interface TimingSafeSubtle {
  timingSafeEqual: TimingSafeEqual
}

export const timingSafeEqual: TimingSafeEqual = (a, b) =>
  (crypto.subtle as unknown as TimingSafeSubtle).timingSafeEqual(a, b)
