/** Probe: one network loaded and run once in a limited child process, before anything else of ours loads it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { constants, setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limitAddressSpace, withParentDeath } from '../../runtime/providers/guard.ts'
import { type ProbeReport, type ProbeRequest, probeReport, started } from './report.ts'

export interface ProbeFile {
  path: string
  size: number
  /** Its bytes in order, each piece proven. */
  read(): AsyncIterable<Uint8Array>
}

/** {@link probe}, or what stands in for it. */
export type RunProbe = (options: ProbeOptions) => Promise<ProbeReport | { died: string }>

export interface ProbeOptions extends Omit<ProbeRequest, 'files'> {
  /** The network, then the external data that it names. */
  files: readonly ProbeFile[]
  /** From the start of the process to its answer. */
  timeoutMs: number
  /** Nobody waits for it: whoever pushes, pulls or scores on this machine comes first. */
  givesWay?: boolean
  /** Ends the process, and with it the probe. */
  signal: AbortSignal
}

const entry = fileURLToPath(new URL(`./child${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))

const GiB = 1024 ** 3
// WebAssembly alone reserves ten GiB a memory, most of which is never touched (design, section 11).
const nodeBytes = 24 * GiB
const memoryBytes = 4 * GiB

/**
 * What ONNX Runtime says of the network; a child that crashes or hangs is an answer too.
 *
 * @throws {@link SelvedgeError} `INTERNAL` where the child cannot be started, which says nothing of the network
 */
export async function probe({
  files,
  timeoutMs,
  givesWay = false,
  signal,
  ...about
}: ProbeOptions): Promise<ProbeReport | { died: string }> {
  // ONNX Runtime reads external data relative to it.
  const cwd = await mkdtemp(join(tmpdir(), 'selvedge-probe-'))
  const [command, args] = await withParentDeath(process.execPath, [entry])
  const child = spawn(command, args, { cwd, env: {}, stdio: ['pipe', 'pipe', 'ignore'] })
  const kill = () => child.kill('SIGKILL')
  signal.addEventListener('abort', kill, { once: true })
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    kill()
  }, timeoutMs)
  try {
    if (child.pid !== undefined) {
      if (givesWay) giveWay(child.pid)
      await limitAddressSpace(child.pid, nodeBytes + memoryBytes + bytes * 3)
    }
    const ended = once(child, 'close')
    const [output] = await Promise.all([readAll(child.stdout), send({ ...about, files }, child.stdin)])
    const [code, killedBy] = await ended
    const [first, report = ''] = output.split('\n')
    if (first !== started) throw new SelvedgeError('INTERNAL', 'the process that probes versions cannot be started')
    if (isLate) return { died: `it did not load and run within ${timeoutMs / 1000} s` }
    if (code !== 0) return { died: `it ended the process that loaded it (${killedBy ?? `code ${code}`})` }
    return probeReport.parse(JSON.parse(report))
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', kill)
    kill()
    await rm(cwd, { recursive: true, force: true })
  }
}

function giveWay(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch (thrown) {
    // It may be over already, which its end tells.
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ERR_SYSTEM_ERROR')) throw thrown
  }
}

async function send(
  { files, ...about }: Omit<ProbeOptions, 'timeoutMs' | 'givesWay' | 'signal'>,
  stdin: NodeJS.WritableStream,
): Promise<void> {
  async function* input() {
    const request: ProbeRequest = { ...about, files: files.map(({ path, size }) => ({ path, size })) }
    yield Buffer.from(`${JSON.stringify(request)}\n`)
    for (const file of files) yield* file.read()
  }
  try {
    await pipeline(input, stdin)
  } catch (error) {
    // A child that dies while it is told says so by its end.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPIPE')) throw error
  }
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const part of stream) text += part
  return text
}
