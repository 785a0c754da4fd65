/** The registry as a process: one JSON line on stdout when it listens, log lines on stderr, ends with its parent. */
import { format, parseArgs } from 'node:util'
import { pino } from 'pino'
import { encodeError, SelvedgeError } from '../runtime/errors.ts'
import { listen } from './listener.ts'
import { openRegistry } from './registry.ts'

const graceMs = 1000

const levels = ['info', 'warn', 'error']

// Written at once: what a process says as it ends must not stay in a buffer.
const logger = pino(
  {
    level: levels.find((each) => each === process.env.SELVEDGE_LOG) ?? 'info',
    base: null,
    timestamp: () => `,"at":"${new Date().toISOString()}"`,
    formatters: { level: (level) => ({ level }) },
  },
  pino.destination({ fd: 2, sync: true }),
)

// node-server prints to the console, so to stdout, when a client leaves; stdout carries one line.
for (const method of ['log', 'info', 'warn', 'error'] as const) {
  console[method] = (...parts) => log({ level: 'warn', message: format(...parts) })
}

try {
  await main()
} catch (thrown) {
  const { code, message } = encodeError(thrown)
  log({
    level: 'error',
    event: 'refused to start',
    code,
    message,
    ...(code === 'INTERNAL' && { cause: String(thrown) }),
  })
  process.exitCode = 1
}

async function main(): Promise<void> {
  const options = parseOptions()
  const { host } = options
  const isChild = process.connected
  const registry = await openRegistry({
    ...options,
    hostNames: [host],
    trustedProxies: process.env.SELVEDGE_TRUSTED_PROXIES,
    webhookNetworks: process.env.SELVEDGE_WEBHOOK_NETWORKS,
    log,
  })
  const listener = await listen(registry, host, options.port).catch(async (thrown) => {
    await registry.close()
    throw thrown
  })
  let ending = false
  const end = async (reason: string) => {
    if (ending) return
    ending = true
    log({ level: 'info', event: 'ending', reason })
    registry.drain()
    await listener.close(graceMs)
    await registry.close()
    if (process.connected) process.disconnect()
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(signal))
  process.on('disconnect', () => void end('the parent is gone'))
  // It may have gone before anyone listened.
  if (isChild && !process.connected) return await end('the parent is gone')
  process.stdout.write(`${JSON.stringify({ ready: true, url: listener.url, key: registry.key })}\n`)
}

function parseOptions() {
  const { values } = readArguments()
  return {
    dataDir: values.data,
    host: values.host,
    port: parseNumber('port', values.port, 0, 65_535),
    scoringUrl: parseUrl('scoring-url', values['scoring-url']),
    publicUrl: values['public-url'] === undefined ? undefined : parseUrl('public-url', values['public-url']),
    assetsDir: values.assets,
    demoDir: values['demo-page'],
    telemetryIntervalMs: parseNumber('telemetry-interval-ms', values['telemetry-interval-ms'], 100, 86_400_000),
  }
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        data: { type: 'string', default: '.selvedge' },
        host: { type: 'string', default: '127.0.0.1' },
        port: { type: 'string', default: '4400' },
        'scoring-url': { type: 'string', default: 'http://127.0.0.1:4401' },
        'public-url': { type: 'string' },
        assets: { type: 'string' },
        'demo-page': { type: 'string' },
        'telemetry-interval-ms': { type: 'string', default: '60000' },
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

function parseUrl(option: string, text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text
  throw new SelvedgeError('USAGE', `--${option}: got "${text}", want an http or https address`)
}

// `SELVEDGE_LOG` names the least level that is written; `selvedge up` asks for warnings.
function log({ level, ...entry }: Record<string, unknown>): void {
  logger[level === 'error' || level === 'warn' ? level : 'info'](entry)
}
