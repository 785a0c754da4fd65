/** What Linux does for a process that runs models: it dies with its parent even inside a run, and cannot take the whole memory. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

/** Wraps a command so that the kernel kills it when its parent dies: a hung run never looks at the closed line. */
export async function withParentDeath(command: string, args: readonly string[]): Promise<[string, string[]]> {
  const usable = await hasParentDeath()
  return usable ? ['setpriv', ['--pdeathsig', 'KILL', command, ...args]] : [command, [...args]]
}

/** What a process reserves now, most of which it never touches; undefined where the system does not say. */
export async function addressSpaceBytes(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kibibytes = /^VmSize:\s+(\d+) kB$/m.exec(status)?.[1]
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
}

/**
 * Sets the most bytes of address space of a process: an allocation over it fails inside ONNX Runtime as a clean error.
 *
 * @param bytes - absent takes the limit away
 * @returns false where the system has no such limit
 */
export async function limitAddressSpace(pid: number, bytes: number | undefined): Promise<boolean> {
  try {
    // The soft limit only: a hard one could not be raised again for the next model.
    await run('prlimit', ['--pid', String(pid), `--as=${bytes ?? 'unlimited'}:`])
    return true
  } catch {
    return false
  }
}

const run = promisify(execFile)

let parentDeath: Promise<boolean> | undefined

// BusyBox has a setpriv without this option.
function hasParentDeath(): Promise<boolean> {
  parentDeath ??=
    process.platform === 'linux'
      ? run('setpriv', ['--pdeathsig', 'KILL', 'true']).then(
          () => true,
          () => false,
        )
      : Promise.resolve(false)
  return parentDeath
}
