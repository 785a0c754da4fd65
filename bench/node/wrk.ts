/** Load by Debian's `wrk`, which leaves more of the machine to the server than any client in JavaScript. */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const program = '/usr/bin/wrk'

export function absentWrk(): string | undefined {
  return existsSync(program) ? undefined : `there is no ${program}`
}

export interface Load {
  url: string
  headers: Readonly<Record<string, string>>
  body: Uint8Array
  connections: number
}

export interface Loaded {
  requestsPerSecond: number
  p99Ms: number
}

/**
 * Keeps every connection busy for so long.
 *
 * @throws Error where an answer was not 2xx, or none came
 */
export async function keepBusy({ url, headers, body, connections }: Load, seconds: number): Promise<Loaded> {
  const folder = mkdtempSync(join(tmpdir(), 'selvedge-wrk-'))
  try {
    const bodyFile = join(folder, 'body')
    const script = join(folder, 'load.lua')
    writeFileSync(bodyFile, body)
    const lines = Object.entries(headers).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`)
    writeFileSync(
      script,
      [
        'wrk.method = "POST"',
        `wrk.body = io.open("${bodyFile}", "rb"):read("*a")`,
        ...lines,
        'function done(summary, latency)',
        '  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout',
        '  io.write(string.format("figures %f %f %d\\n", summary.requests / summary.duration * 1e6, latency:percentile(99) / 1000, failed))',
        'end',
      ].join('\n'),
    )
    const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url]
    const { stdout } = await promisify(execFile)(program, args)
    const [requestsPerSecond = 0, p99Ms = 0, failed = 0] = (/^figures (.+)$/m.exec(stdout)?.[1] ?? '')
      .split(' ')
      .map(Number)
    if (failed > 0 || requestsPerSecond === 0) throw new Error(`${failed} requests failed\n${stdout}`)
    return { requestsPerSecond, p99Ms }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
