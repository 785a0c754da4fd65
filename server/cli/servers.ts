/** How the two servers are started: their entries, their flags, what was built for them. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import type { Children } from './children.ts'
import { parseCount, parsePort } from './names.ts'
import { defaultPorts } from './settings.ts'

/** From sources this file ends in .ts and what is built lies in `dist`; in the package all of it lies in `dist`. */
const fromSources = import.meta.url.endsWith('.ts')
const sourceRoot = new URL('../../', import.meta.url)
const buildRoot = fromSources ? new URL('dist/', sourceRoot) : sourceRoot
const extension = fromSources ? 'ts' : 'js'

/** Sample models; `server/demo/make` makes them. */
export const demoFolder = new URL('demo/', buildRoot)

export const demoPageFolder = new URL('demo-page/', buildRoot)

export interface RegistryFlags {
  data: string
  registryPort: number
  host: string
  publicUrl?: string
}

export interface ScoringFlags {
  scoringPort: number
  host: string
  scorers?: number
}

export function addRegistryFlags(command: Command): Command {
  return command
    .option('--data <folder>', 'where it keeps its database and blobs', './.selvedge')
    .option('--registry-port <port>', 'of the registry; 0 takes a free one', parsePort, defaultPorts.registry)
    .option('--public-url <url>', 'address of the registry as others see it, such as one behind a proxy')
}

export function addScoringFlags(command: Command): Command {
  return command
    .option('--scoring-port <port>', 'of the scoring server; 0 takes a free one', parsePort, defaultPorts.scoring)
    .option('--scorers <count>', 'scorer processes; without it one a core', parseCount)
}

export function addHostFlag(command: Command): Command {
  return command
    .option('--host <address>', 'address to listen on; any but loopback needs tokens', '127.0.0.1')
    .addHelpText(
      'after',
      '\nBehind a reverse proxy, SELVEDGE_TRUSTED_PROXIES lists the addresses and CIDR blocks, with commas between them, whose ' +
        'X-Forwarded-For says who asks, so that callers do not share their limits.',
    )
}

export function addCallersHelp(command: Command): Command {
  return command.addHelpText(
    'after',
    '\nOn another address than loopback, SELVEDGE_CALLER_TOKENS lists the tokens, with commas between them, one of which ' +
      'callers of the scoring server must send as "Authorization: Bearer <token>". Health needs none.',
  )
}

/** @returns its address */
export function startRegistry(
  children: Children,
  flags: RegistryFlags,
  more: { scoringPort?: number; telemetryIntervalMs?: number },
): Promise<string> {
  return children.start('registry', new URL(`registry/main.${extension}`, sourceRoot), [
    ...['--data', flags.data, '--port', String(flags.registryPort), '--host', flags.host],
    ...(flags.publicUrl === undefined ? [] : ['--public-url', flags.publicUrl]),
    // A free port is not known before it is taken.
    ...(more.scoringPort ? ['--scoring-url', `http://${urlHost(flags.host)}:${more.scoringPort}`] : []),
    ...builtFolder('--assets', new URL('browser/', buildRoot)),
    ...builtFolder('--demo-page', demoPageFolder),
    ...(more.telemetryIntervalMs ? ['--telemetry-interval-ms', String(more.telemetryIntervalMs)] : []),
  ])
}

/** @returns its address */
export function startScoring(
  children: Children,
  flags: ScoringFlags,
  more: {
    registry: string
    keys: readonly string[]
    cache?: string
    endpoints?: readonly string[]
    compat?: 'triton'
  },
): Promise<string> {
  return children.start('scoring server', new URL(`server/main.${extension}`, sourceRoot), [
    ...['--registry', more.registry, '--port', String(flags.scoringPort), '--host', flags.host],
    ...more.keys.flatMap((key) => ['--key', key]),
    ...(flags.scorers === undefined ? [] : ['--scorers', String(flags.scorers)]),
    ...(more.cache === undefined ? [] : ['--cache', more.cache]),
    ...(more.compat === undefined ? [] : ['--compat', more.compat]),
    ...(more.endpoints ?? []).flatMap((endpoint) => ['--endpoint', endpoint]),
  ])
}

function builtFolder(flag: string, folder: URL): string[] {
  return existsSync(folder) ? [flag, fileURLToPath(folder)] : []
}

function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}
