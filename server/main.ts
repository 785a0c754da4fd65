/** The scoring server as a process: one JSON line on stdout when it listens, log lines on stderr, ends with its parent. */
import { timingSafeEqual } from 'node:crypto'
import { parseArgs } from 'node:util'
import { encodeError, SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import { openNetworks } from '../runtime/network.ts'
import { defaultCacheFolder } from './folder-store.ts'
import { createApp } from './front/app.ts'
import { openCallers } from './front/callers.ts'
import { openListener } from './front/listener.ts'
import { openNodeExchange } from './front/node-exchange.ts'
import { openTraces } from './front/traces.ts'
import { openHost } from './host.ts'
import { errorFields, log } from './log.ts'
import { isLoopback } from './loopback.ts'

// Eight of the largest bodies.
const mostBodyBytes = 8 * limits.binaryBodyBytes

try {
  await main()
} catch (thrown) {
  const { code, message } = encodeError(thrown)
  log('error', 'refused to start', code === 'INTERNAL' ? errorFields(thrown) : { code, message })
  process.exitCode = 1
}

async function main(): Promise<void> {
  const { host: address, port, compat, ...options } = parseOptions()
  const token = process.env.SELVEDGE_TOKEN || undefined
  const networks = openNetworks(process.env.SELVEDGE_TRUSTED_PROXIES)
  const callers = (process.env.SELVEDGE_CALLER_TOKENS ?? '').split(',').flatMap((each) => each.trim() || [])
  if (!isLoopback(address) && callers.length === 0) {
    throw new SelvedgeError(
      'REFUSED_TO_START',
      `${address} is not loopback: set SELVEDGE_CALLER_TOKENS to what callers must send, or use --host 127.0.0.1`,
    )
  }
  const host = await openHost({ ...options, standby: true, token, log })
  const isCaller = callers.length === 0 ? undefined : openCallers(callers, timingSafeEqual)
  const app = createApp({
    scoring: host,
    exchange: openNodeExchange(networks),
    mostBodyBytes,
    isCaller,
    compat,
    traces: await openTraces(),
  })
  const listener = await openListener(app, { host: address, port }).catch(async (thrown) => {
    await host.close()
    throw thrown
  })
  let ending = false
  const end = async (reason: string) => {
    // A second Ctrl-C does not wait; scorers die with this process.
    if (ending) process.exit(1)
    ending = true
    log('info', 'ending', { reason })
    await listener.close()
    await host.close()
    if (process.connected) process.disconnect()
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(signal))
  process.once('disconnect', () => {
    if (!ending) void end('the parent is gone')
  })
  process.stdout.write(`${JSON.stringify({ ready: true, url: listener.url })}\n`)
}

function parseOptions() {
  const { values } = readArguments()
  const { registry, key, endpoint } = values
  if (registry === undefined || !/^https?:\/\//.test(registry) || !URL.canParse(registry)) {
    throw new SelvedgeError('USAGE', `--registry: got "${registry ?? ''}", want an http or https address`)
  }
  if (key === undefined) throw new SelvedgeError('USAGE', '--key is missing: the key that signs the plans')
  return {
    registry,
    keys: key,
    endpoints: endpoint ?? ('all' as const),
    host: values.host,
    port: parseNumber('port', values.port, 0, 65_535),
    scorers: values.scorers === undefined ? undefined : parseNumber('scorers', values.scorers, 1, 256),
    runMs: values['run-ms'] === undefined ? undefined : parseNumber('run-ms', values['run-ms'], 100, 3_600_000),
    cacheDir: values.cache ?? defaultCacheFolder(),
    compat: parseCompat(values.compat),
  }
}

function parseCompat(value: string | undefined): 'triton' | undefined {
  if (value === undefined || value === 'triton') return value
  throw new SelvedgeError('USAGE', `--compat: got "${value}", want triton`)
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        registry: { type: 'string' },
        key: { type: 'string', multiple: true },
        endpoint: { type: 'string', multiple: true },
        host: { type: 'string', default: '127.0.0.1' },
        port: { type: 'string', default: '4401' },
        scorers: { type: 'string' },
        'run-ms': { type: 'string' },
        cache: { type: 'string' },
        compat: { type: 'string' },
      },
    })
  } catch (cause) {
    throw new SelvedgeError('USAGE', cause instanceof Error ? cause.message : 'unreadable arguments', {}, { cause })
  }
}

function parseNumber(option: string, text: string, least: number, most: number): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= least && number <= most) return number
  throw new SelvedgeError('USAGE', `--${option}: got "${text}", want a number from ${least} to ${most}`)
}
