/** The servers that are measured: each a process of its own, its data in a temporary folder, ended by `close`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export interface Running {
  url: string
  pid: number
  /** What signs the plans; empty where it is no registry of ours. */
  key: string
  close(): Promise<void>
}

const registryEntry = fileURLToPath(new URL('../../registry/main.ts', import.meta.url))
const dockerFile = '/usr/bin/docker-registry'

export function absentDocker(): string | undefined {
  return existsSync(dockerFile) ? undefined : `there is no ${dockerFile}`
}

export async function startRegistry(): Promise<Running> {
  return await startWith((folder) => [process.execPath, registryEntry, '--data', folder, '--port', '0'])
}

/** @param entry - prints `{"url": …}` as its first line once it listens; gets the folder as its argument */
export async function startBare(entry: URL, ...args: readonly string[]): Promise<Running> {
  return await startWith((folder) => [process.execPath, fileURLToPath(entry), folder, ...args])
}

/** Debian's, as its package configures it: files, descriptors cached in memory; it logs errors alone, as ours does here. */
export async function startDocker(): Promise<Running> {
  const folder = makeFolder()
  const port = await freePort()
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, cache: { blobdescriptor: 'inmemory' } },
    http: { addr: `127.0.0.1:${port}` },
  }
  writeFileSync(join(folder, 'config.yml'), JSON.stringify(config))
  const child = spawn(dockerFile, ['serve', join(folder, 'config.yml')], { stdio: ['ignore', 'ignore', 'inherit'] })
  const url = `http://127.0.0.1:${port}`
  while (!(await answers(url))) {
    if (child.exitCode !== null) throw new Error('docker-registry did not start')
    await wait(20)
  }
  return running(child, url, folder)
}

/** Bytes that it has resident now. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS')
}

export function childrenOf(pid: number): number[] {
  return readdirSync('/proc').flatMap((each) => {
    if (!/^\d+$/.test(each)) return []
    const stat = readFileSync(`/proc/${each}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid ? [Number(each)] : []
  })
}

/** From now on {@link peakBytes} is that of the time since. */
export function resetPeak({ pid }: Running): void {
  // proc(5): 5 resets the peak resident set.
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

export function peakBytes({ pid }: Running): number {
  return statusBytes(pid, 'VmHWM')
}

/** @param command - prints a line of JSON with its `url` once it listens */
export async function startWith(command: (folder: string) => [string, ...string[]]): Promise<Running> {
  const folder = makeFolder()
  const [program, ...args] = command(folder)
  const env = { ...process.env, SELVEDGE_LOG: 'error' }
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${args[0]} did not start`)
  })
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), ended])) as [string]
  ended.catch(() => undefined)
  const { url, key = '' } = JSON.parse(line) as { url: string; key?: string }
  return running(child, url, folder, key)
}

function running(child: ChildProcess, url: string, folder: string, key = ''): Running {
  return {
    url,
    key,
    pid: child.pid ?? 0,
    async close() {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function makeFolder(): string {
  return mkdtempSync(join(tmpdir(), 'selvedge-bench-'))
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/v2/`)).ok
  } catch {
    return false
  }
}

function statusBytes(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024
}
