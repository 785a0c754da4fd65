/** `selvedge report`: the drift page of an endpoint as one file, kept only where its verdicts follow from its numbers. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { type DriftDocument, driftDocument, driftDocumentId } from '../../runtime/contract/drift-document.ts'
import type { DriftReport } from '../../runtime/contract/monitor.ts'
import { verdictWords } from '../../runtime/drift/words.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { proven } from '../../runtime/monitor.ts'
import { request, type Server } from './answers.ts'
import { openContext } from './context.ts'
import { parseName } from './names.ts'
import { plain } from './table.ts'
import type { WhyOptions } from './why.ts'

interface ReportOptions extends WhyOptions {
  out?: string
  at?: string
}

interface Saved extends Pick<DriftReport, 'endpoint' | 'deployment' | 'version' | 'at' | 'verdict'> {
  file: string
  bytes: number
}

export function addReport(program: Command): void {
  program
    .command('report')
    .description('Write the drift page of an endpoint into one HTML file that needs no registry and no network.')
    .argument('<endpoint>', 'such as housing', parseName)
    .option('-o, --out <file>', 'where it goes; default drift-<endpoint>-<day>.html')
    .option('--monitor <name>', 'the one to ask', parseName, 'default')
    .option('--deployment <name>', 'the one to ask about (default: that with the most traffic)', parseName)
    .option('--at <time>', 'what was said then, such as 2026-11-24T03:10:00Z (default: now)')
    .addHelpText('after', help)
    .action(async (endpoint: string, _, command: Command) => {
      const { registry, options, output } = openContext<ReportOptions>(command)
      const text = await readPage(registry, endpoint, options)
      const report = proven(numbersIn(registry, text).report)
      const file = resolve(options.out ?? `drift-${endpoint}-${report.at.slice(0, 10)}.html`)
      await write(file, text)
      const { deployment, version, at, verdict } = report
      const saved: Saved = { endpoint, deployment, version, at, verdict, file, bytes: Buffer.byteLength(text) }
      output.result(saved, () => renderSaved(saved))
    })
}

const help = `
The element "${driftDocumentId}" of the file holds as JSON every number that it shows. Each verdict is made again from them before
the file is written.`

async function readPage(server: Server, endpoint: string, { monitor, deployment, at }: ReportOptions): Promise<string> {
  const query = new URLSearchParams({ monitor, ...(deployment && { deployment }), ...(at && { at }) })
  const answer = await request(server, `api/v1/endpoints/${encodeURIComponent(endpoint)}/drift.html?${query}`)
  return await answer.text()
}

function numbersIn(server: Server, text: string): DriftDocument {
  const opening = `<script type="application/json" id="${driftDocumentId}">`
  const start = text.indexOf(opening)
  try {
    if (start < 0) throw new Error('they are missing')
    return driftDocument.parse(JSON.parse(text.slice(start + opening.length, text.indexOf('</script>', start))))
  } catch (cause) {
    const message = `no registry at ${server.base}: its report has no numbers that can be read`
    throw new SelvedgeError('REGISTRY_UNREACHABLE', message, {}, { cause })
  }
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text)
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException
    throw new SelvedgeError('USAGE', `the report cannot be written there: ${code}`, {}, { cause })
  }
}

function renderSaved({ endpoint, deployment, version, verdict, file }: Saved): string {
  return `${plain(`${endpoint}/${deployment}, version ${version}: ${verdictWords[verdict]}`)}\n${plain(file)}\n`
}
