/** `selvedge up`: registry and scoring server in one process tree, with --demo sample models under traffic. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { request, type Server } from './answers.ts'
import { runUntilStopped } from './children.ts'
import { openClient } from './client.ts'
import { type Context, openContext } from './context.ts'
import { type Demo, openDemo } from './demo.ts'
import { asFailure } from './output.ts'
import {
  addCallersHelp,
  addHostFlag,
  addRegistryFlags,
  addScoringFlags,
  type RegistryFlags,
  type ScoringFlags,
  startRegistry,
  startScoring,
} from './servers.ts'

type Flags = RegistryFlags & ScoringFlags & { demo?: boolean }

/** Counts are in the registry seconds after they were made. */
const demoIntervalMs = 5000

/** How long the first line that people try may take to work. */
const readyMs = 30_000
const pauseMs = 100

interface Started {
  registry: string
  scoring: string
  keys: string[]
  data: string
  demo?: Demo
}

export function addUp(program: Command): void {
  addCallersHelp(addHostFlag(addScoringFlags(addRegistryFlags(program.command('up')))))
    .description('Run registry and scoring server.')
    .option('--demo', 'with sample models, endpoints and a demo page')
    .action(async (_, command: Command) => {
      const context = openContext<Flags>(command)
      const { options, output } = context
      await runUntilStopped(output, async (children) => {
        const demo = options.demo ?? false
        const registry = await startRegistry(children, options, {
          scoringPort: options.scoringPort,
          ...(demo && { telemetryIntervalMs: demoIntervalMs }),
        })
        const server = { ...context.registry, base: registry }
        const client = openClient(server)
        const keys = await client.planKeys()
        const local: Context<Flags> = { ...context, registry: server, client }
        const opened = demo ? await openDemo(local, options.data, keys) : undefined
        const scoring = await startScoring(children, options, { registry, keys, cache: join(options.data, 'cache') })
        const ready = await areReady({ ...context.scoring, ...callerToken(), base: scoring }, opened?.endpoints ?? [])
        const started = { registry, scoring, keys, data: options.data, ...(opened && { demo: opened }) }
        output.result(started, () => renderStarted(started))
        if (!ready) output.note(`Not every endpoint is served after ${readyMs / 1000} s: see what is written above.`)
        output.note('Ctrl-C ends both.')
      })
    })
}

async function areReady(scoring: Server, endpoints: readonly string[]): Promise<boolean> {
  const deadline = Date.now() + readyMs
  for (const endpoint of endpoints) {
    for (;;) {
      const failure = await request(scoring, `v2/models/${endpoint}/ready`).then(() => undefined, asFailure)
      if (failure === undefined) break
      // It may not have seen the endpoint in the registry yet.
      if (failure.code !== 'NOT_READY' && failure.code !== 'ENDPOINT_UNKNOWN') throw failure
      if (Date.now() >= deadline) return false
      await sleep(pauseMs)
    }
  }
  return true
}

function callerToken(): { token?: string } {
  const [token] = process.env.SELVEDGE_CALLER_TOKENS?.split(',') ?? []
  return token ? { token: token.trim() } : {}
}

function renderStarted({ registry, scoring, keys, data, demo }: Started): string {
  const lines = [
    ['Registry', registry],
    ['Scoring', scoring],
    ['Status page', registry],
    ...(demo ? [['Demo page', demo.page ?? 'not built: npx vite build']] : []),
    ...(demo ? [['Page token', demo.pageToken]] : []),
    ...keys.map((key) => ['Plan key', key]),
    ['Data', data],
  ]
  const table = lines.map(([name = '', value = '']) => `  ${name.padEnd(12)} ${value}\n`).join('')
  if (demo === undefined) return `\n${table}\n  Push a model: selvedge push <model> <model.onnx>\n\n`
  const curl =
    `curl -s ${scoring}v2/models/${demo.example.endpoint}/score -H 'content-type: application/json' \\\n` +
    `    -d '${JSON.stringify({ records: [demo.example.record] }).replaceAll("'", "'\\''")}'`
  return `\n${table}\n  Score a row:\n  ${curl}\n\n`
}
