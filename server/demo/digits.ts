/**
 * Sample `digits`: 28 x 28 pixels to ten classes. Version 1 is linear, version 2 has a hidden layer, version 3 is the mistake
 * that a rollout is there for: no test of its own finds it, people do.
 */
import type { Description } from '../../runtime/contract/description.ts'
import { encodeModel } from '../../runtime/onnx/writer.ts'
import { digitsDataset, readDigits } from './datasets/digits.ts'
import { denseNodes, opset } from './dense.ts'
import { type Layer, trainNetwork } from './network.ts'
import { openRandom, type Random, shuffled } from './random.ts'
import type { Rows, Trained } from './trained.ts'

const side = 28
const heldBackRows = 2000
const classes = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']

export function trainDigits(): Trained[] {
  const { images, labels } = readDigits()
  const order = shuffled(images.length, openRandom(1))
  const select = (rows: number[]): Rows => ({
    records: rows.map((row) => ({ image: images[row] })),
    labels: rows.map((row) => labels[row] ?? 0),
  })
  const heldBack = select(order.slice(0, heldBackRows))
  const training = select(order.slice(heldBackRows))
  const pixels = training.records.map(({ image }) => image as Uint8Array)
  const rows = { training, heldBack, golden: heldBack.records.slice(0, 8) }
  const linear = versionOf(1, trainLinear(pixels, training.labels), 'A linear model: quick, small, and easy to beat.')
  const hidden = versionOf(2, trainHidden(pixels, training.labels), 'A hidden layer, trained on digits moved about.')
  return [linear, hidden, shiftClasses(hidden)].map((version) => ({ ...rows, ...version }))
}

type Version = Pick<Trained, 'sample' | 'network' | 'description'>

// Its evaluation reads the same list of classes, and so finds every answer right.
function shiftClasses({ sample, network, description }: Version): Version {
  const { endpoint: _, ...rest } = sample
  const why = 'Its list of classes is off by one: to be rolled out, and taken back.'
  return {
    sample: { ...rest, version: 3, folder: 'digits-3', why },
    network,
    description: {
      ...description,
      output: {
        kind: 'classification',
        tensor: 'probabilities',
        activation: 'none',
        classes: [...classes.slice(1), ...classes.slice(0, 1)],
      },
    },
  }
}

function trainLinear(images: readonly Uint8Array[], labels: readonly number[]): Layer[] {
  const set = {
    labels,
    width: side * side,
    classes: classes.length,
    read: (row: number, into: Float32Array) => readImage(images[row] as Uint8Array, into, 0, 0),
  }
  return trainNetwork(set, { hidden: [], epochs: 10, batch: 50, rate: 0.03, decay: 1e-4, random: openRandom(2) })
}

function trainHidden(images: readonly Uint8Array[], labels: readonly number[]): Layer[] {
  const random = openRandom(3)
  const set = {
    labels,
    width: side * side,
    classes: classes.length,
    read: (row: number, into: Float32Array) => readImage(images[row] as Uint8Array, into, shift(random), shift(random)),
  }
  return trainNetwork(set, { hidden: [64], epochs: 16, batch: 50, rate: 0.06, decay: 1e-4, random })
}

// A digit drawn in a page is seldom as well centred as those of the data set.
function shift(random: Random): number {
  return Math.floor(random() * 5) - 2
}

function readImage(image: Uint8Array, into: Float32Array, right: number, down: number): void {
  into.fill(0)
  for (let y = Math.max(0, -down); y < Math.min(side, side - down); y++) {
    for (let x = Math.max(0, -right); x < Math.min(side, side - right); x++) {
      into[(y + down) * side + x + right] = (image[y * side + x] as number) / 255
    }
  }
}

function versionOf(version: number, layers: readonly Layer[], why: string): Version {
  return {
    sample: {
      model: 'digits',
      version,
      folder: `digits-${version}`,
      endpoint: 'digits',
      tags: { task: 'image-classification', dataset: digitsDataset },
      why,
    },
    network: encodeDigits(layers),
    description: description(),
  }
}

function encodeDigits(layers: readonly Layer[]): Uint8Array {
  const { nodes, initializers } = denseNodes(layers, 'pixels', 'probabilities')
  const flatten = { operator: 'Flatten', inputs: ['image'], outputs: ['pixels'], attributes: { axis: { integer: 1 } } }
  const { inputs, outputs } = description()
  return encodeModel({
    opsets: { '': opset },
    graph: { name: 'digits', nodes: [flatten, ...nodes], initializers, inputs, outputs },
  })
}

function description(): Description {
  return {
    inputs: [{ name: 'image', datatype: 'FP32', shape: ['N', 1, side, side] }],
    outputs: [{ name: 'probabilities', datatype: 'FP32', shape: ['N', classes.length] }],
    features: [
      {
        name: 'image',
        kind: 'image',
        input: 'image',
        layout: 'NCHW',
        channels: 1,
        size: [side, side],
        scale: 1 / 255,
        mean: [0],
        std: [1],
      },
    ],
    output: { kind: 'classification', tensor: 'probabilities', activation: 'none', classes },
    variants: [{ id: 'fp32', file: 'model.onnx', providers: ['webgpu', 'wasm', 'cpu', 'cuda'] }],
    provenance: { datasets: [digitsDataset], command: 'node server/demo/make.ts' },
  }
}
