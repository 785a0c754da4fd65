/**
 * Sample `penguins`: measures, island and sex to the species, by multinomial logistic regression. The model itself fills
 * in a missing number (NaN) with the mean and scales it, so that callers send plain millimetres and grams.
 */
import type { Description, Feature } from '../../runtime/contract/description.ts'
import { encodeModel } from '../../runtime/onnx/writer.ts'
import { encodeRecords } from '../../runtime/tensor/features.ts'
import { createTensor, type Tensors } from '../../runtime/tensor/tensor.ts'
import { islands, type Penguin, penguinsDataset, readPenguins, sexes, species } from './datasets/penguins.ts'
import { denseNodes, opset } from './dense.ts'
import { type Layer, trainNetwork } from './network.ts'
import { openRandom, shuffled } from './random.ts'
import type { Rows, Trained } from './trained.ts'

const measures = ['beak_length_mm', 'beak_depth_mm', 'flipper_length_mm', 'body_mass_g'] as const
const width = measures.length + islands.length + sexes.length
const heldBackRows = 86

export function trainPenguins(): Trained {
  const { records, labels } = readPenguins()
  const order = shuffled(records.length, openRandom(4))
  const select = (rows: number[]): Rows & { records: Penguin[] } => ({
    records: rows.map((row) => records[row] as Penguin),
    labels: rows.map((row) => labels[row] ?? 0),
  })
  const heldBack = select(order.slice(0, heldBackRows))
  const training = select(order.slice(heldBackRows))
  const scale = readScale(training.records)
  const incomplete = heldBack.records.filter((record) => Object.values(record).includes(null))
  const complete = heldBack.records.filter((record) => !incomplete.includes(record))
  return {
    sample: {
      model: 'penguins',
      version: 1,
      folder: 'penguins-1',
      endpoint: 'penguins',
      // Of a public domain data set (CC0).
      rows: 'penguins-rows.json',
      tags: { task: 'tabular-classification', dataset: penguinsDataset },
      why: 'Logistic regression on four measures, island and sex.',
    },
    network: encodePenguins(trainLayers(training, scale), scale),
    description: description(),
    training,
    heldBack,
    golden: [...incomplete.slice(0, 3), nothing, ...complete.slice(0, 4)],
  }
}

/** A record of which nothing is known. */
const nothing = Object.fromEntries([...measures, 'island', 'sex'].map((name) => [name, null]))

/** For every column of the input, so that the model needs no split; columns of categories keep their 0 and 1. */
interface Scale {
  means: Float32Array
  deviations: Float32Array
}

function readScale(records: readonly Penguin[]): Scale {
  const means = new Float32Array(width)
  const deviations = new Float32Array(width).fill(1)
  measures.forEach((measure, i) => {
    const known = records.map((record) => record[measure]).filter((value) => value !== null)
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length
    means[i] = mean
    deviations[i] = Math.sqrt(known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / known.length)
  })
  return { means, deviations }
}

function trainLayers({ records, labels }: Rows, { means, deviations }: Scale): Layer[] {
  const x = encodeRecords(description(), records).x?.data as Float32Array
  const set = {
    labels,
    width,
    classes: species.length,
    read(row: number, into: Float32Array) {
      for (let i = 0; i < width; i++) {
        const value = x[row * width + i] as number
        into[i] = Number.isNaN(value) ? 0 : (value - (means[i] as number)) / (deviations[i] as number)
      }
    },
  }
  return trainNetwork(set, { hidden: [], epochs: 200, batch: 16, rate: 0.05, decay: 1e-3, random: openRandom(5) })
}

function encodePenguins(layers: readonly Layer[], { means, deviations }: Scale): Uint8Array {
  const dense = denseNodes(layers, 'scaled', 'probabilities')
  const initializers: Tensors = {
    means: createTensor('FP32', [width], means),
    deviations: createTensor('FP32', [width], deviations),
    ...dense.initializers,
  }
  const nodes = [
    { operator: 'IsNaN', inputs: ['x'], outputs: ['missing'] },
    { operator: 'Where', inputs: ['missing', 'means', 'x'], outputs: ['filled'] },
    { operator: 'Sub', inputs: ['filled', 'means'], outputs: ['centred'] },
    { operator: 'Div', inputs: ['centred', 'deviations'], outputs: ['scaled'] },
    ...dense.nodes,
  ]
  const { inputs, outputs } = description()
  return encodeModel({ opsets: { '': opset }, graph: { name: 'penguins', nodes, initializers, inputs, outputs } })
}

function description(): Description {
  const numeric = measures.map((name, index): Feature => ({ name, kind: 'numeric', input: 'x', index }))
  const island = measures.length
  return {
    inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', width] }],
    outputs: [{ name: 'probabilities', datatype: 'FP32', shape: ['N', species.length] }],
    features: [
      ...numeric,
      { name: 'island', kind: 'categorical', values: islands, encoding: 'onehot', input: 'x', index: island },
      {
        name: 'sex',
        kind: 'categorical',
        values: sexes,
        encoding: 'onehot',
        input: 'x',
        index: island + islands.length,
      },
    ],
    output: { kind: 'classification', tensor: 'probabilities', activation: 'none', classes: species },
    variants: [{ id: 'fp32', file: 'model.onnx', providers: ['webgpu', 'wasm', 'cpu', 'cuda'] }],
    provenance: { datasets: [penguinsDataset], command: 'node server/demo/make.ts' },
  }
}
