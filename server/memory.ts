/** The address space limit of one scorer process, from what it holds (design, section 11). */
import type { ExecutionProvider } from '../runtime/contract/names.ts'
import type { PlanDeployment } from '../runtime/contract/plan.ts'
import { addressSpaceBytes, limitAddressSpace } from '../runtime/providers/guard.ts'

export interface MemoryLimit {
  readonly isSet: boolean
  /** Makes room for what the process holds and is about to load. */
  fit(provider: ExecutionProvider | undefined, held: readonly PlanDeployment[]): Promise<void>
}

const spareBytes = 1024 ** 3

export function openMemoryLimit(pid: number): MemoryLimit {
  let reserved: number | undefined
  let isSet = false

  return {
    get isSet() {
      return isSet
    },
    // Only while all that it holds runs on the CPU: WebAssembly and graphics drivers reserve address space that they
    // never touch. What Node has reserved by now differs by gigabytes, so the limit counts from there.
    async fit(provider, held) {
      reserved ??= await addressSpaceBytes(pid)
      if (reserved === undefined) return
      const isNative = provider === 'cpu' && held.every(isForCpu)
      const bytes = held.reduce((sum, each) => sum + sizeOf(each), 0)
      isSet = (await limitAddressSpace(pid, isNative ? reserved + bytes * 3 + spareBytes : undefined)) && isNative
    },
  }
}

function isForCpu({ variants }: PlanDeployment): boolean {
  return variants.some(({ providers }) => providers.includes('cpu'))
}

function sizeOf(deployment: PlanDeployment): number {
  return deployment.variants.flatMap(({ files }) => files).reduce((sum, { size }) => sum + size, 0)
}
