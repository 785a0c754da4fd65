/** Memory of processes, by Linux's /proc. */
import { readdirSync, readFileSync } from 'node:fs'
import { descendants } from '../../test/server/cli/command.ts'

/** Why it cannot be read; undefined where it can. */
export function absentProc(): string | undefined {
  return readdirSync('/').includes('proc') ? undefined : 'this system has no /proc'
}

/** Process ids of the renderers that this process started. */
export function renderers(): number[] {
  return descendants(process.pid).filter((each) => read(each, 'cmdline').includes('--type=renderer'))
}

/** Bytes of these processes' own, without files; one that has ended has none. */
export function memoryOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + Number(/^RssAnon:\s+(\d+) kB$/m.exec(read(pid, 'status'))?.[1] ?? 0) * 1024, 0)
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
