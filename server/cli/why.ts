/** `selvedge why`: what a monitor says of an endpoint, made again here from the numbers that the registry holds. */
import type { Command } from 'commander'
import { type MonitorReport, monitorReport } from '../../runtime/contract/monitor-reports.ts'
import { proven } from '../../runtime/monitor.ts'
import { readJson, request, type Server } from './answers.ts'
import { openContext } from './context.ts'
import { parseName } from './names.ts'
import { renderReport } from './why-text.ts'

export interface WhyOptions {
  monitor: string
  deployment?: string
}

export function addWhy(program: Command): void {
  program
    .command('why')
    .description('Show what a monitor says of an endpoint, such as drift, and from which numbers that follows.')
    .argument('<endpoint>', 'such as housing', parseName)
    .option('--monitor <name>', 'the one to ask', parseName, 'default')
    .option('--deployment <name>', 'the one to ask about (default: that with the most traffic)', parseName)
    .action(async (endpoint: string, _, command: Command) => {
      const { registry, options, output } = openContext<WhyOptions>(command)
      const report = proven(await readReport(registry, endpoint, options))
      output.result(report, () => renderReport(report))
    })
}

async function readReport(
  server: Server,
  endpoint: string,
  { monitor, deployment }: WhyOptions,
): Promise<MonitorReport> {
  const query = new URLSearchParams({ ...(deployment && { deployment }) })
  const path = `api/v1/endpoints/${encodeURIComponent(endpoint)}/monitors/${encodeURIComponent(monitor)}/report?${query}`
  return readJson(server, await request(server, path), monitorReport)
}
