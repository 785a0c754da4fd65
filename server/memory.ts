/** The memory of one scorer process: its address space limit, from what it holds (design, section 11), and its use. */
import { readFileSync } from 'node:fs'
import type { ExecutionProvider } from '../runtime/contract/names.ts'
import type { PlanDeployment } from '../runtime/contract/plan.ts'
import { addressSpaceBytes, limitAddressSpace } from '../runtime/providers/guard.ts'

export interface MemoryLimit {
  readonly isSet: boolean
  /** Makes room for what the process holds and is about to load. */
  fit(provider: ExecutionProvider | undefined, held: readonly PlanDeployment[]): Promise<void>
}

/** Undefined where the system does not tell. */
export function residentBytes(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kib === undefined ? undefined : Number(kib) * 1024
  } catch {
    return undefined
  }
}

const spareBytes = 1024 ** 3

export function openMemoryLimit(pid: number): MemoryLimit {
  let reserved: number | undefined
  let isNative = true
  let isSet = false

  return {
    get isSet() {
      return isSet
    },
    // Only while all that it ever held runs on the CPU: WebAssembly and graphics drivers reserve gigabytes of address space
    // that they never touch, and give none of it back. What Node has reserved by now differs by gigabytes, too, so the limit
    // counts from there.
    async fit(provider, held) {
      reserved ??= await addressSpaceBytes(pid)
      if (reserved === undefined) return
      isNative &&= provider === 'cpu' && held.every(isForCpu)
      const bytes = held.reduce((sum, each) => sum + shareOf(each), 0)
      isSet = (await limitAddressSpace(pid, isNative ? reserved + bytes + spareBytes : undefined)) && isNative
    },
  }
}

function isForCpu({ variants }: PlanDeployment): boolean {
  return variants.some(({ providers }) => providers.includes('cpu'))
}

// A network three times over is what loading it takes; what its runs take only its owner can know.
function shareOf({ variants, resources }: PlanDeployment): number {
  if (resources?.memoryMiB !== undefined) return resources.memoryMiB * 1024 ** 2
  return variants.flatMap(({ files }) => files).reduce((sum, { size }) => sum + size, 0) * 3
}
