/** Judges a trained network by what ONNX Runtime makes of it: accuracy, baseline, golden samples. */

import type { Description } from '../../runtime/contract/description.ts'
import type { Golden } from '../../runtime/contract/golden.ts'
import type { ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import { openNodeSession } from '../../runtime/providers/node.ts'
import type { Session } from '../../runtime/scoring/session.ts'
import { buildProfileSpec } from '../../runtime/telemetry/baseline.ts'
import { encodeRecords, recordValues } from '../../runtime/tensor/features.ts'
import { decodePredictions, outputValues, type Prediction } from '../../runtime/tensor/predictions.ts'
import type { Tensor, Tensors } from '../../runtime/tensor/tensor.ts'
import type { Rows, Trained } from './trained.ts'

export interface Evaluated {
  /** With figures and the paths of the documents beside it. */
  description: Description
  golden: Golden
  profile: ProfileSpec
}

const tolerance = 1e-4
const batchRows = 1000

/** One thread of WebAssembly, which gives the same bits on every machine. */
export async function evaluate({ network, description, training, heldBack, golden }: Trained): Promise<Evaluated> {
  const session = await openNodeSession({ network, externalData: [] }, 'wasm')
  try {
    const accuracy = accuracyOf(await score(session, description, heldBack.records), description, heldBack)
    const predictions = await score(session, description, training.records)
    return {
      description: {
        ...description,
        golden: 'golden.json',
        profile: 'profile.json',
        provenance: {
          ...description.provenance,
          metrics: { accuracy, rows: heldBack.records.length, trainingRows: training.records.length },
        },
      },
      golden: await goldenOf(session, description, golden),
      profile: buildProfileSpec({
        features: description.features ?? [],
        output: description.output,
        rows: training.records.map((record) => recordValues(description, record)),
        outputs: predictions.map((prediction) => outputValues(description, prediction)),
      }),
    }
  } finally {
    await session.close()
  }
}

async function score(session: Session, description: Description, records: Rows['records']): Promise<Prediction[]> {
  const predictions: Prediction[] = []
  for (let start = 0; start < records.length; start += batchRows) {
    const inputs = encodeRecords(description, records.slice(start, start + batchRows))
    for (const one of decodePredictions(description, await session.run(inputs))) predictions.push(one)
  }
  return predictions
}

function accuracyOf(predictions: readonly Prediction[], { output }: Description, { labels }: Rows): number {
  const classes = output?.kind === 'classification' ? output.classes : []
  const right = predictions.filter((one, i) => 'class' in one && one.class === classes[labels[i] ?? -1])
  return right.length / predictions.length
}

async function goldenOf(session: Session, description: Description, records: Rows['records']): Promise<Golden> {
  const inputs = encodeRecords(description, records)
  const outputs = await session.run(inputs)
  return { samples: [{ inputs: goldenTensors(inputs), outputs: goldenTensors(outputs) }], tolerance }
}

function goldenTensors(tensors: Tensors): Golden['samples'][number]['inputs'] {
  return Object.entries(tensors).map(([name, tensor]) => ({
    name,
    datatype: tensor.datatype,
    shape: [...tensor.shape],
    data: goldenData(tensor),
  }))
}

// Nine digits name every float32; JSON has no NaN, so the protocol's text stands for it.
function goldenData({ data }: Tensor): (number | string)[] {
  return Array.from<unknown, number | string>(data, (value) => {
    if (typeof value !== 'number') return String(value)
    return Number.isNaN(value) ? 'NaN' : Number(value.toPrecision(9))
  })
}
