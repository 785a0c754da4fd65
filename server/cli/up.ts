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
  addHostFlag(addScoringFlags(addRegistryFlags(program.command('up'))))
    .description('Run registry and scoring server.')
    .option('--demo', 'with sample models, endpoints and a demo page')
    .action(async (_, command: Command) => {
      const context = openContext<Flags>(command)
      await runUntilStopped(async (children) => {
        const { options, output } = context
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
        const ready = opened === undefined || (await isReady({ ...context.scoring, base: scoring }))
        const started = { registry, scoring, keys, data: options.data, ...(opened && { demo: opened }) }
        output.result(started, () => renderStarted(started))
        if (!ready) output.note(`Not every endpoint is served after ${readyMs / 1000} s: see what is written above.`)
        output.note('Ctrl-C ends both.')
      })
    })
}

async function isReady(scoring: Server): Promise<boolean> {
  const deadline = Date.now() + readyMs
  while (Date.now() < deadline) {
    const failure = await request(scoring, 'v2/health/ready').then(() => undefined, asFailure)
    if (failure === undefined) return true
    if (failure.code !== 'NOT_READY') throw failure
    await sleep(pauseMs)
  }
  return false
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
