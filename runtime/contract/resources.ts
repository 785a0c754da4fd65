/** Resources of a deployment: what its owner may fix; what is absent has a default that needs no tuning. */
import { z } from 'zod'

export const resources = z.strictObject({
  /** The most rows of a run that more than one request shares; 1 shares none. Default 16. */
  batchRows: z.int().min(1).max(4096).optional(),
  /** How long a request waits for others while nothing runs, in ms. Default 0. */
  batchDelayMs: z.number().min(0).max(1000).optional(),
  /** Threads of one run. Default 1: as many scorer processes as cores do more than one process with many threads. */
  threads: z.int().min(1).max(256).optional(),
  /** What one scorer process may take for this deployment, in MiB. Default: three times its files. */
  memoryMiB: z.int().min(1).max(1_048_576).optional(),
  /** Scorer processes of a host that load the endpoint: the most that one of its deployments asks for. Default: all. */
  scorers: z.int().min(1).max(256).optional(),
})

export type Resources = z.infer<typeof resources>
