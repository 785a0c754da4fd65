/** What a Node process with OpenFeature's server SDK imports: the deployment of each endpoint as an object flag. */
import {
  ErrorCode,
  type JsonValue,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderEvents,
  ProviderFatalError,
  type ResolutionDetails,
} from '@openfeature/server-sdk'
import { SelvedgeError } from '../runtime/errors.ts'
import {
  type FlagContext,
  type FlagOptions,
  type Flags,
  isFatal,
  openFlags,
  type Resolution,
  unready,
} from '../runtime/flags/flags.ts'
import { defaultCacheFolder, openFolderStore } from './folder-store.ts'
import { errorFields, log } from './log.ts'

export type { DeploymentValue } from '../runtime/flags/flag.ts'
export type { FlagOptions } from '../runtime/flags/flags.ts'

export interface NodeFlagOptions extends FlagOptions {
  /** Folder for plans, kept between starts. Default: `selvedge` in the user's cache folder. */
  cacheDir?: string | undefined
}

/**
 * A provider whose flags are endpoints and whose variants are their deployments. Each evaluation with a targeting key counts
 * as an exposure, once a day, and what is tracked as an outcome. It follows plans and loads no model.
 *
 * ```ts
 * await OpenFeature.setProviderAndWait(openProvider('http://localhost:4400', { endpoints: ['digits'], key: 'ed25519:…' }))
 * const client = OpenFeature.getClient()
 * const { value, reason } = await client.getObjectDetails('digits', { deployment: 'blue' }, { targetingKey: userId })
 * client.track('accepted', { targetingKey: userId })
 * ```
 *
 * @param registry - base address, without a path
 */
export function openProvider(registry: string, options: NodeFlagOptions): Provider {
  const store = openFolderStore(options.cacheDir ?? defaultCacheFolder())
  const events = new OpenFeatureEventEmitter()
  let flags: Flags | undefined

  const mismatch = async <T>(key: string, value: T) => details(value, flags?.mismatch(key))

  return {
    metadata: { name: 'selvedge' },
    runsOn: 'server',
    events,
    async initialize() {
      flags = await openFlags({
        ...options,
        registry,
        // A host keeps plans whose models it has, and must find no other.
        readPlan: (endpoint) => store.readPlan(registry, `flag ${endpoint}`),
        keepPlan: (endpoint, jws) => store.writePlan(registry, `flag ${endpoint}`, jws),
        outbox: (_, send) => send,
        changed: (endpoint) => events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged: [endpoint] }),
        recovered: () => events.emit(ProviderEvents.Ready),
        stale: () => events.emit(ProviderEvents.Stale),
        // A library says nothing on its own but of what is lost; all else is thrown, told as an event or tried again.
        failed(error) {
          if (isLoss(error)) log('error', 'report refused', errorFields(error))
        },
      })
      try {
        await flags.ready
      } catch (cause) {
        throw isFatal(cause) ? new ProviderFatalError(String(cause), { cause }) : cause
      }
    },
    async onClose() {
      await flags?.close()
    },
    resolveObjectEvaluation: async <T extends JsonValue>(key: string, value: T, context: FlagContext) =>
      details(value, flags?.resolve(key, context)),
    resolveBooleanEvaluation: mismatch,
    resolveStringEvaluation: mismatch,
    resolveNumberEvaluation: mismatch,
    track: (name, context, details) => flags?.track(name, context, details),
  }
}

function isLoss(error: unknown): boolean {
  return error instanceof SelvedgeError && error.code === 'TELEMETRY_REFUSED'
}

function details<T>(value: T, resolution: Resolution = unready): ResolutionDetails<T> {
  if (!('errorCode' in resolution)) return { value, ...resolution } as ResolutionDetails<T>
  return { value, ...resolution, errorCode: ErrorCode[resolution.errorCode] }
}
