/** What a probe's child process is told and what it answers. */
import { z } from 'zod'
import { description } from '../../runtime/contract/description.ts'
import { golden } from '../../runtime/contract/golden.ts'

/** First line of the child's standard input; the bytes of the files follow in this order. */
export const probeRequest = z.strictObject({
  description,
  golden: golden.optional(),
  /** The network, then the external data that it names. */
  files: z.array(z.strictObject({ path: z.string(), size: z.int().min(0) })).min(1),
})

export type ProbeRequest = z.infer<typeof probeRequest>

/** First line of the child's standard output: from here on its end says something about the network. */
export const started = 'started'

/** The second line. */
export const probeReport = z.strictObject({
  /** What ONNX Runtime or the golden samples found; absent where they found nothing. */
  refused: z.strictObject({ code: z.string(), message: z.string() }).optional(),
})

export type ProbeReport = z.infer<typeof probeReport>
