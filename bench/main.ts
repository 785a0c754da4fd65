/**
 * Runs scenarios and writes their figures.
 *
 *     node bench/main.ts [scenario…] [--rounds 6] [--seed 1] [--timeout 120] [--out bench/results]
 *
 * Without a name it runs all of them. The timeout is in seconds, for one process.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { describeMachine, machineLine } from './harness/machine.ts'
import { runScenario } from './harness/run.ts'
import type { Scenario } from './harness/scenario.ts'
import { resultTable, roundLine } from './harness/table.ts'

const folder = fileURLToPath(new URL('scenarios', import.meta.url))
process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '6' },
    seed: { type: 'string', default: '1' },
    timeout: { type: 'string', default: '120' },
    out: { type: 'string', default: 'bench/results' },
  },
})
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(`got ${signal}`)))

const machine = describeMachine()
console.log(machineLine(machine))
const known = readdirSync(folder).flatMap((file) => (file.endsWith('.ts') ? [file.slice(0, -'.ts'.length)] : []))
for (const name of positionals.length > 0 ? positionals : known) {
  if (!known.includes(name)) throw new Error(`no scenario "${name}"; there are ${known.join(', ')}`)
  const { scenario }: { scenario: Scenario } = await import(pathToFileURL(join(folder, `${name}.ts`)).href)
  console.log(`\n${scenario.name}: ${scenario.question}`)
  const result = await runScenario(scenario, {
    rounds: wholeNumber('rounds', values.rounds),
    seed: wholeNumber('seed', values.seed),
    timeoutMs: wholeNumber('timeout', values.timeout) * 1000,
    signal: stop.signal,
    onRound: (round) => console.log(roundLine(round)),
  })
  console.log(`\n${resultTable(result)}`)
  mkdirSync(values.out, { recursive: true })
  const file = join(values.out, `${name}.json`)
  writeFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), machine, ...result }, null, 1)}\n`)
  console.log(`\nwritten to ${file}`)
}

function wholeNumber(option: string, text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number > 0) return number
  throw new Error(`--${option}: got ${text}, want an integer above 0`)
}
