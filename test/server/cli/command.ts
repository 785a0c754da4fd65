/** `selvedge` as a process, from its sources. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const entry = fileURLToPath(new URL('../../../server/cli/main.ts', import.meta.url))

export interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

export async function runCommand(
  args: readonly string[],
  { env = {}, stdin }: { env?: Record<string, string>; stdin?: string } = {},
): Promise<Ran> {
  const child = startCommand(args, env)
  child.stdin?.end(stdin)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout as NodeJS.ReadableStream),
    text(child.stderr as NodeJS.ReadableStream),
    once(child, 'exit') as Promise<[number | null]>,
  ])
  return { code, stdout, stderr }
}

/** The document that it prints; throws what it wrote to stderr where it was refused. */
export async function runJson(
  args: readonly string[],
  env: Record<string, string>,
): Promise<ReturnType<typeof JSON.parse>> {
  const { code, stdout, stderr } = await runCommand([...args, '--json'], { env })
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

/** The caller ends it. */
export function startCommand(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const { SELVEDGE_REGISTRY: _, SELVEDGE_SCORING: __, SELVEDGE_TOKEN: ___, ...inherited } = process.env
  return spawn(process.execPath, [entry, ...args], { env: { ...inherited, ...env }, stdio: 'pipe' })
}

/** Process ids of all that descends from a process, by /proc. */
export function descendants(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = parentOf(Number(name))
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const found: number[] = []
  for (const queue = [pid]; queue.length > 0; ) {
    const own = children.get(queue.shift() ?? 0) ?? []
    found.push(...own)
    queue.push(...own)
  }
  return found
}

export function isAlive(pid: number): boolean {
  return parentOf(pid) !== undefined
}

// The second field is a name in parentheses that may hold anything; a zombie has ended.
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' ? undefined : Number(parent)
  } catch {
    return undefined
  }
}

/** What `selvedge up --json` writes once both servers listen. */
export async function startedOf(up: ChildProcess): Promise<{ registry: string; scoring: string }> {
  let text = ''
  let errors = ''
  up.stderr?.on('data', (chunk) => {
    errors += chunk
  })
  return await new Promise((resolve, reject) => {
    up.once('exit', (code) => reject(new Error(`ended with ${code} before it was ready: ${errors}`)))
    up.stdout?.on('data', (chunk) => {
      text += chunk
      if (text.endsWith('}\n')) resolve(JSON.parse(text))
    })
  })
}
