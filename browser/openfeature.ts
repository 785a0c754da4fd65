/** What a page with OpenFeature's web SDK imports: the deployment of each endpoint as an object flag. */
import {
  ErrorCode,
  type JsonValue,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderEvents,
  ProviderFatalError,
  type ResolutionDetails,
} from '@openfeature/web-sdk'
import {
  type FlagContext,
  type FlagOptions,
  type Flags,
  isFatal,
  openFlags,
  type Resolution,
  unready,
} from '../runtime/flags/flags.ts'
import { openOutbox } from './state/outbox.ts'
import { openPageState, type PageState } from './state/state.ts'
import { warn } from './warn.ts'

export type { DeploymentValue } from '../runtime/flags/flag.ts'
export type { FlagOptions } from '../runtime/flags/flags.ts'

/**
 * A provider whose flags are endpoints and whose variants are their deployments. Each evaluation with a targeting key counts
 * as an exposure, once a day, and what is tracked as an outcome. It follows plans and loads no model.
 *
 * ```ts
 * const provider = openProvider('https://models.example', { endpoints: ['digits'], token: 'page_…', key: 'ed25519:…' })
 * await OpenFeature.setProviderAndWait(provider, { targetingKey: userId })
 * const { deployment } = OpenFeature.getClient().getObjectValue('digits', { deployment: 'blue' })
 * OpenFeature.getClient().track('accepted')
 * ```
 *
 * @param registry - base address, without a path
 */
export function openProvider(registry: string, options: FlagOptions): Provider {
  const base = registry.replace(/\/+$/, '')
  const events = new OpenFeatureEventEmitter()
  let state: PageState | undefined
  let flags: Flags | undefined

  let timer: ReturnType<typeof setTimeout> | undefined

  // A page that goes takes with it what was not sent, and what is tracked often takes the visitor away: what comes in one
  // turn is sent behind it.
  const reportSoon = () => {
    timer ??= setTimeout(() => {
      timer = undefined
      void flags?.flush(true)
    }, 0)
  }
  const mismatch = <T>(key: string, value: T) => details(value, flags?.mismatch(key))

  return {
    metadata: { name: 'selvedge' },
    runsOn: 'client',
    events,
    async initialize() {
      const kept = await openPageState(warn)
      state = kept
      flags = await openFlags({
        ...options,
        registry: base,
        // A worker keeps plans whose models it has, and must find no other.
        readPlan: (endpoint) => kept.plan(base, `flag ${endpoint}`),
        keepPlan: (endpoint, jws) => kept.keepPlan(base, `flag ${endpoint}`, jws),
        outbox: (endpoint, send) => openOutbox({ state: kept, registry: base, endpoint, send, failed: warn }).post,
        changed: (endpoint) => events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged: [endpoint] }),
        recovered: () => events.emit(ProviderEvents.Ready),
        stale: () => events.emit(ProviderEvents.Stale),
        failed: warn,
      })
      try {
        await flags.ready
      } catch (cause) {
        throw isFatal(cause) ? new ProviderFatalError(String(cause), { cause }) : cause
      }
    },
    // Nothing is fetched for a context; but the SDK takes a provider whose context changed for ready.
    onContextChange: () => queueMicrotask(() => flags?.repeatStale()),
    async onClose() {
      clearTimeout(timer)
      await flags?.close()
      state?.close()
    },
    resolveObjectEvaluation<T extends JsonValue>(key: string, value: T, context: FlagContext) {
      reportSoon()
      return details(value, flags?.resolve(key, context))
    },
    resolveBooleanEvaluation: mismatch,
    resolveStringEvaluation: mismatch,
    resolveNumberEvaluation: mismatch,
    track(name, context, details) {
      reportSoon()
      flags?.track(name, context, details)
    },
  }
}

function details<T>(value: T, resolution: Resolution = unready): ResolutionDetails<T> {
  if (!('errorCode' in resolution)) return { value, ...resolution } as ResolutionDetails<T>
  return { value, ...resolution, errorCode: ErrorCode[resolution.errorCode] }
}
