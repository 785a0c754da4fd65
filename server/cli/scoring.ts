/** Typed client of the scoring server: features of an endpoint, and scores of records in batches. */
import { z } from 'zod'
import type { Feature } from '../../runtime/contract/description.ts'
import { feature } from '../../runtime/contract/description.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import type { Prediction } from '../../runtime/tensor/predictions.ts'
import { readJson, request, type Server } from './answers.ts'

export interface ScoredRow {
  prediction: Prediction
  deployment: string
  version: number
  provider: string
}

export interface EndpointFacts {
  /** Undefined where it takes tensors alone. */
  features: Feature[] | undefined
  /** Records that it takes at once; undefined where any number. */
  batch: number | undefined
}

/** Open Inference Protocol v2, "Model Metadata"; the features are ours. */
const metadata = z.object({
  inputs: z.array(z.object({ shape: z.array(z.int()) })),
  features: z.array(feature).optional(),
})

const scores = z.object({
  predictions: z.array(
    z.union([
      z.object({ class: z.string(), scores: z.record(z.string(), z.number()) }),
      z.object({ value: z.number() }),
    ]),
  ),
})

/** @throws {@link SelvedgeError} `ENDPOINT_UNKNOWN`, `NOT_READY`, `SCORING_UNREACHABLE` */
export async function readEndpoint(server: Server, endpoint: string): Promise<EndpointFacts> {
  const response = await request(server, `v2/models/${encodeURIComponent(endpoint)}`)
  const { inputs, features } = await readJson(server, response, metadata)
  const sizes = inputs.map(({ shape }) => shape[0]).filter((size) => size !== undefined && size > 0)
  return { features, batch: sizes[0] }
}

export interface ScoreOptions {
  /** One a record; records of one unit are sent together. */
  units?: readonly string[] | undefined
  deployment?: string | undefined
  batch?: number | undefined
  progress(done: number, total: number): void
}

// Half of what is allowed, so that no counting of bytes has to be exact.
const batchBytes = limits.jsonBodyBytes / 2
const batchRows = 2000
const parallel = 4

/** Scores in the order of the records. */
export async function scoreRecords(
  server: Server,
  endpoint: string,
  records: readonly Readonly<Record<string, unknown>>[],
  { units, deployment, batch: size, progress }: ScoreOptions,
): Promise<ScoredRow[]> {
  const rows: ScoredRow[] = new Array(records.length)
  const batches = splitBatches(records, units, size ?? batchRows)
  let done = 0

  async function work(): Promise<void> {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      const { bodies, places, unit } = batch
      const response = await request(server, `v2/models/${encodeURIComponent(endpoint)}/score`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(unit !== undefined && { 'selvedge-unit': encodeHeader(unit) }),
          ...(deployment !== undefined && { 'selvedge-deployment': deployment }),
        },
        body: `{"records":[${bodies.join(',')}]}`,
      })
      const { predictions } = await readJson(server, response, scores)
      if (predictions.length !== places.length) {
        throw new SelvedgeError('INTERNAL', `sent ${places.length} records, got ${predictions.length} predictions`)
      }
      const who = {
        deployment: response.headers.get('selvedge-deployment') ?? '',
        version: Number(response.headers.get('selvedge-version')),
        provider: response.headers.get('selvedge-provider') ?? '',
      }
      predictions.forEach((prediction, i) => {
        rows[places[i] ?? 0] = { prediction, ...who }
      })
      done += places.length
      progress(done, records.length)
    }
  }

  const giveUp = (thrown: unknown) => {
    batches.length = 0
    throw thrown
  }
  await Promise.all(Array.from({ length: parallel }, () => work().catch(giveUp)))
  return rows
}

interface Batch {
  bodies: string[]
  /** Where each record stands among all. */
  places: number[]
  unit: string | undefined
}

function splitBatches(records: readonly unknown[], units: readonly string[] | undefined, most: number): Batch[] {
  const batches: Batch[] = []
  const open = new Map<string | undefined, { batch: Batch; bytes: number }>()
  for (const [place, record] of records.entries()) {
    const unit = units?.[place]
    const body = JSON.stringify(record)
    const bytes = Buffer.byteLength(body)
    let current = open.get(unit)
    if (current === undefined || current.bytes + bytes > batchBytes || current.batch.places.length === most) {
      current = { batch: { bodies: [], places: [], unit }, bytes: 0 }
      open.set(unit, current)
      batches.push(current.batch)
    }
    current.batch.bodies.push(body)
    current.batch.places.push(place)
    current.bytes += bytes
  }
  return batches
}

// fetch takes a header as Latin-1; the bytes of UTF-8 are what the server reads.
function encodeHeader(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
