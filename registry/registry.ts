/** A registry over one data folder: opened, asked as an HTTP app, closed. */
import { join } from 'node:path'
import type { Role } from '../runtime/contract/control.ts'
import { openNetworks } from '../runtime/network.ts'
import { type App, createApp } from './app.ts'
import { readFiles } from './assets/files.ts'
import { ortVersion } from './assets/version.ts'
import { openClaims } from './blobs/claims.ts'
import { openFolderBlobs } from './blobs/folder.ts'
import { openPlanKey } from './endpoints/key.ts'
import { openPlans } from './endpoints/plans.ts'
import { openFeed } from './events/feed.ts'
import type { Services } from './http/env.ts'
import { type Lock, openLock } from './lock.ts'
import { openCounters } from './metrics/counters.ts'
import { openLooks } from './monitor/looks.ts'
import { probe, type RunProbe } from './probe/probe.ts'
import { openProbes } from './probe/probes.ts'
import { openWatch } from './rollouts/watch.ts'
import { openSqliteStore } from './store/sqlite/open.ts'
import { openIntake } from './telemetry/intake.ts'
import { openUpkeep } from './upkeep.ts'
import { openAddresses } from './webhooks/address.ts'
import { openDeliveries } from './webhooks/deliver.ts'

export interface RegistryOptions {
  /** Made where it is missing; holds the database, the blobs and the key that signs plans. */
  dataDir: string
  /** Folder with the worker, the page client and the `.wasm` files that browsers load. Default: none is served. */
  assetsDir?: string | undefined
  /** Folder of the demo page. Default: none is served. */
  demoDir?: string | undefined
  /** Where the outside reaches this registry, as in `https://models.example/`. Default: the address of each request. */
  publicUrl?: string | undefined
  /** Further host names by which it is called. */
  hostNames?: readonly string[] | undefined
  /**
   * Addresses and CIDR blocks of proxies whose `X-Forwarded-For` is believed, with commas between them, for limits by network.
   * Default: none.
   */
  trustedProxies?: string | undefined
  /** Addresses and CIDR blocks that no one reaches from outside and where webhooks may be all the same. Default: none. */
  webhookNetworks?: string | undefined
  /** Shown on the pages. Default: `http://127.0.0.1:4401`. */
  scoringUrl?: string | undefined
  /** How often hosts report, at least 100. Default: 60,000. */
  telemetryIntervalMs?: number | undefined
  /** From a plan's signature to its expiry; it is signed anew at half of that. Default: 24 hours. */
  planLifeMs?: number | undefined
  /** Loads and runs a network once before its version is deployed. Default: in a child process of its own. */
  probe?: RunProbe | undefined
  /** ms since 1970. Default: the clock. */
  now?: (() => number) | undefined
  /** Default: entries are dropped. */
  log?: ((entry: Record<string, unknown>) => void) | undefined
}

export interface Registry {
  app: App
  /** What hosts pin: `ed25519:<base64url>`. */
  key: string
  /** Tokens in force by role. */
  tokens(): Promise<Partial<Record<Role, number>>>
  /** Answers whoever waits for a plan and ends streams of events; no one waits from now on. */
  drain(): void
  /** After {@link drain}: settles once all that was acknowledged is on disk and the data folder is free. */
  close(): Promise<void>
}

/** @throws SelvedgeError `SCHEMA_NEWER`, `REFUSED_TO_START`, also while another registry has the data folder, `USAGE` */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const lock = openLock(options.dataDir)
  try {
    return await openLocked(options, lock)
  } catch (thrown) {
    lock.close()
    throw thrown
  }
}

async function openLocked(options: RegistryOptions, lock: Lock): Promise<Registry> {
  const { dataDir, now = Date.now, log = () => undefined, publicUrl, telemetryIntervalMs = 60_000 } = options
  const networks = openNetworks(options.trustedProxies)
  const addresses = openAddresses(options.webhookNetworks)
  const key = await openPlanKey(dataDir)
  const blobs = await openFolderBlobs(join(dataDir, 'blobs'))
  const runtime = new Map([...(await readFiles(options.assetsDir))].filter(([name]) => /^[^/]+\.(js|wasm)$/.test(name)))
  const demo = await readFiles(options.demoDir)
  const store = openSqliteStore(join(dataDir, 'registry.db'))
  const claims = openClaims()
  const upkeep = await openUpkeep({ store, blobs, claims, now, log })
  const plans = openPlans({
    store,
    key,
    runtime: { ort: ortVersion, files: Object.fromEntries([...runtime].map(([name, { digest }]) => [name, digest])) },
    telemetryIntervalMs,
    lifeMs: options.planLifeMs ?? 24 * 3600_000,
    now,
  })
  const counters = openCounters()
  const probes = openProbes({ store, blobs, run: options.probe ?? probe, now, log })
  probes.startPending()
  const intake = openIntake(store, now, counters)
  const feed = openFeed()
  const looks = openLooks({ store, lateMs: telemetryIntervalMs, now, log })
  const base = publicUrl === undefined ? undefined : publicUrl.replace(/\/*$/, '/')
  const changed = (endpoint: string) => {
    intake.changed(endpoint)
    plans.changed(endpoint)
  }
  const rollouts = openWatch({ store, changed, now, log })
  const deliveries = openDeliveries({ store, addresses, now, log })
  const services: Services = {
    store,
    blobs,
    claims,
    plans,
    key,
    intake,
    counters,
    probes,
    feed,
    rollouts,
    changed,
    networks,
    addresses,
    // A request's address is absolute and in its normal form: up to the first slash of its path.
    baseOf: (url) => base ?? url.slice(0, url.indexOf('/', url.indexOf('//') + 2) + 1),
    now,
    log,
  }
  const hostNames = [...(options.hostNames ?? []), ...(publicUrl === undefined ? [] : [new URL(publicUrl).hostname])]
  const assets = { runtime, demo, scoringUrl: options.scoringUrl ?? 'http://127.0.0.1:4401' }
  return {
    app: createApp({ services, assets, hostNames }),
    key: key.pin,
    tokens: () => store.tokens.tally(),
    drain() {
      plans.close()
      feed.close()
    },
    async close() {
      plans.close()
      feed.close()
      await probes.close()
      await upkeep.close()
      await looks.close()
      await rollouts.close()
      await deliveries.close()
      await intake.close()
      await blobs.close()
      await store.close()
      lock.close()
    },
  }
}
