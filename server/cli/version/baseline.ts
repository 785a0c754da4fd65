/** The rows that a version was trained on, scored once: its ProfileSpec, and golden samples of the first of them. */

import type { Description } from '../../../runtime/contract/description.ts'
import type { Golden } from '../../../runtime/contract/golden.ts'
import type { ProfileSpec } from '../../../runtime/contract/profile-spec.ts'
import type { Session } from '../../../runtime/scoring/session.ts'
import { openBaseline } from '../../../runtime/telemetry/baseline.ts'
import { encodeRecords, recordValues } from '../../../runtime/tensor/features.ts'
import { decodeFloat16 } from '../../../runtime/tensor/float16.ts'
import { inputLayouts } from '../../../runtime/tensor/layout.ts'
import { outputTensorValues } from '../../../runtime/tensor/predictions.ts'
import type { Tensor, Tensors } from '../../../runtime/tensor/tensor.ts'

export type Records = readonly Readonly<Record<string, unknown>>[]

const batchRows = 256
const goldenRows = 8

/**
 * Outputs for records, in batches as large as the model takes.
 *
 * @throws {@link SelvedgeError} `RUN_FAILED` and what `encodeRecords` throws
 */
export async function* scoreRecords(
  session: Session,
  description: Description,
  records: Records,
): AsyncGenerator<{ inputs: Tensors; outputs: Tensors; rows: number }> {
  const size = inputLayouts(description).find(({ batch }) => batch !== undefined)?.batch ?? batchRows
  for (let start = 0; start < records.length; start += size) {
    const batch = records.slice(start, start + size)
    const last = batch.at(-1)
    // A model with a fixed batch takes no fewer: its last one is filled up with rows that are then not read.
    while (size !== batchRows && batch.length < size && last !== undefined) batch.push(last)
    const inputs = encodeRecords(description, batch)
    yield { inputs, outputs: await session.run(inputs), rows: Math.min(size, records.length - start) }
  }
}

export interface BaselineRows {
  records: Records
  /** What became true of each; undefined where it is not known, or not one of the classes. */
  outcomes?: readonly (number | undefined)[]
}

/** @returns with how many rows have no outcome, where outcomes are given: a score then has no positives */
export async function buildBaseline(
  session: Session,
  description: Description,
  batches: AsyncIterable<BaselineRows>,
  progress: (rows: number) => void,
): Promise<{ spec: ProfileSpec; rows: number; withoutOutcome: number }> {
  const { features = [], output } = description
  const baseline = openBaseline({ features, output })
  let [rows, withoutOutcome] = [0, 0]
  for await (const { records, outcomes } of batches) {
    for (const record of records) baseline.countRow(recordValues(description, record))
    withoutOutcome += outcomes?.filter((outcome) => outcome === undefined).length ?? 0
    rows += records.length
    let counted = 0
    if (output === undefined) continue
    for await (const batch of scoreRecords(session, description, records)) {
      for (const values of outputTensorValues(description, batch.outputs).slice(0, batch.rows)) {
        const outcome = outcomes?.[counted++]
        baseline.countOutput(values, outcome === undefined ? undefined : outcome === 1)
      }
    }
    progress(rows)
  }
  return { spec: baseline.spec(), rows, withoutOutcome }
}

/** One sample a row of the first rows, or a batch where the model's batch is fixed; what is not finite proves nothing. */
export async function buildGolden(
  session: Session,
  description: Description,
  records: Records,
): Promise<Golden | undefined> {
  const fixed = inputLayouts(description).some(({ batch }) => batch !== undefined)
  const first = records.slice(0, goldenRows)
  const samples: Golden['samples'] = []
  let largest = 0
  for (const group of fixed ? [first] : first.map((record) => [record])) {
    for await (const { inputs, outputs } of scoreRecords(session, description, group)) {
      const sizes = Object.values(outputs).map(largestSize)
      if (!sizes.every(Number.isFinite)) continue
      samples.push({ inputs: encodeTensors(inputs), outputs: encodeTensors(outputs) })
      largest = Math.max(largest, ...sizes)
    }
  }
  // Providers differ in the last bits of a float, and the last bits of a large number are large.
  return samples.length === 0 ? undefined : { samples, tolerance: 1e-4 * Math.max(1, largest) }
}

type GoldenTensor = Golden['samples'][number]['inputs'][number]

function encodeTensors(tensors: Tensors): GoldenTensor[] {
  return Object.entries(tensors).map(([name, tensor]) => ({
    name,
    datatype: tensor.datatype,
    shape: [...tensor.shape],
    data: encodeData(tensor),
  }))
}

function encodeData(tensor: Tensor): GoldenTensor['data'] {
  switch (tensor.datatype) {
    case 'BYTES':
      return tensor.data
    case 'INT64':
    case 'UINT64':
      return Array.from(tensor.data, String)
    case 'BOOL':
      return Array.from(tensor.data, (value) => value !== 0)
    case 'FP16':
      return Array.from(tensor.data, (bits) => encodeFloat(decodeFloat16(bits), 5))
    case 'FP32':
      return Array.from(tensor.data, (value) => encodeFloat(value, 9))
    case 'FP64':
      return Array.from(tensor.data, (value) => encodeFloat(value, 17))
    default:
      return Array.from(tensor.data)
  }
}

// As many digits as give the same bits back.
function encodeFloat(value: number, digits: number): number | string {
  return Number.isFinite(value) ? Number(value.toPrecision(digits)) : String(value)
}

function largestSize(tensor: Tensor): number {
  if (tensor.datatype !== 'FP32' && tensor.datatype !== 'FP64') return 0
  let largest = 0
  for (const value of tensor.data) largest = Math.max(largest, Math.abs(value))
  return largest
}
