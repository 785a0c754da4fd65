/** What figures depend on: machine, versions, commit. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, release, totalmem } from 'node:os'

export interface Machine {
  processor: string
  cores: number
  memoryGiB: number
  system: string
  node: string
  /** Of the packages that do the work. */
  packages: Record<string, string>
  /** With `+` where the working tree has changes. */
  commit: string
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch} ${release()}`,
    node: process.versions.node,
    packages: Object.fromEntries(
      ['onnxruntime-node', 'onnxruntime-web', 'playwright'].flatMap((name) => {
        const version = installedVersion(name)
        return version === undefined ? [] : [[name, version]]
      }),
    ),
    commit: commit(),
  }
}

export function machineLine({ processor, cores, memoryGiB, system, node, packages, commit }: Machine): string {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`)
  return [`${processor}, ${cores} cores, ${memoryGiB} GiB, ${system}`, `Node ${node}`, ...versions, commit].join('; ')
}

function installedVersion(name: string): string | undefined {
  // The entry of a package may be deep inside it, and its package.json need not be exported.
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? []
  for (const folder of folders) {
    try {
      return JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')).version
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return undefined
}

function commit(): string {
  try {
    const hash = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { encoding: 'utf8' }).trim()
    const changes = execFileSync('git', ['status', '--porcelain', '--untracked-files=no'], { encoding: 'utf8' })
    return changes === '' ? hash : `${hash}+`
  } catch {
    // A packed copy has no repository.
    return 'unknown'
  }
}
