/**
 * What a Content-Security-Policy blocked of the start, as the error that names the directive. The failures themselves do
 * not: a blocked worker gives an event without a message, a blocked request `Failed to fetch`, blocked WebAssembly blames
 * `unsafe-eval` (browser/README.md lists what is needed).
 */
import { SelvedgeError } from '../runtime/errors.ts'

export interface PolicyWatch {
  /** The error that names the missing source where the policy blocked something; else what was thrown. */
  explain(thrown: unknown): Promise<unknown>
  close(): void
}

// The report of a violation is a task of its own, that may come behind the failure.
const lateMs = 50

/** @param scope - the page's document or the worker itself: each hears of its own policy alone */
export function watchPolicy(scope: EventTarget): PolicyWatch {
  let first: SelvedgeError | undefined
  const note = (event: Event) => {
    first ??= lack(event as SecurityPolicyViolationEvent)
  }
  scope.addEventListener('securitypolicyviolation', note)
  return {
    async explain(thrown) {
      if (first === undefined) await new Promise((resolve) => setTimeout(resolve, lateMs))
      return first ?? thrown
    },
    close: () => scope.removeEventListener('securitypolicyviolation', note),
  }
}

function lack({
  effectiveDirective,
  blockedURI,
  disposition,
}: SecurityPolicyViolationEvent): SelvedgeError | undefined {
  const inPage = typeof document !== 'undefined'
  if (disposition !== 'enforce') return
  if (blockedURI === 'wasm-eval') {
    return inPage ? undefined : refusal('WORKER_UNAVAILABLE', 'WebAssembly', "'wasm-unsafe-eval'", 'script-src')
  }
  // What else a page may ask of whom is its own affair.
  if (inPage && !isWorker(blockedURI)) return
  if (effectiveDirective === 'connect-src') {
    const { origin } = new URL(blockedURI)
    return refusal('REGISTRY_UNREACHABLE', `requests to ${origin}`, sourceOf(blockedURI), effectiveDirective)
  }
  if (inPage) return refusal('WORKER_UNAVAILABLE', 'the worker', sourceOf(blockedURI), 'worker-src')
}

function isWorker(blockedURI: string): boolean {
  return blockedURI.startsWith('blob') || blockedURI.endsWith('/worker.js')
}

function sourceOf(blockedURI: string): string {
  if (blockedURI.startsWith('blob')) return 'blob:'
  const { origin } = new URL(blockedURI)
  return origin === location.origin ? "'self'" : origin
}

function refusal(
  code: 'WORKER_UNAVAILABLE' | 'REGISTRY_UNREACHABLE',
  what: string,
  source: string,
  directive: string,
): SelvedgeError {
  // A worker from a blob has the page's policy, one from a file that of the answer which brought it.
  const whose = location.protocol === 'blob:' || typeof document !== 'undefined' ? 'of the page' : 'sent with worker.js'
  const message = `the Content-Security-Policy ${whose} blocks ${what}: add ${source} to ${directive}`
  return new SelvedgeError(code, message, { directive, source })
}
