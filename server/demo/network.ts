/**
 * Trains a classifier of dense layers (ReLU between them, softmax at the end) by stochastic gradient descent with
 * momentum on the cross entropy. Without hidden layers it is multinomial logistic regression.
 */
import type { Random } from './random.ts'
import { shuffled } from './random.ts'

export interface Layer {
  inputs: number
  outputs: number
  /** [inputs, outputs], row-major. */
  weights: Float32Array
  /** [outputs] */
  bias: Float32Array
}

export interface TrainingSet {
  /** Class of each row. */
  labels: readonly number[]
  width: number
  classes: number
  /** Writes the numbers of a row; may vary them a little from one epoch to the next. */
  read(row: number, into: Float32Array): void
}

export interface Training {
  hidden: readonly number[]
  epochs: number
  batch: number
  /** Of the first epoch; falls to 0 in a straight line. */
  rate: number
  /** Share of each weight that is taken away per unit of rate, so that weights stay small. */
  decay: number
  random: Random
}

const momentum = 0.9

export function trainNetwork(set: TrainingSet, training: Training): Layer[] {
  const { hidden, epochs, batch, random } = training
  const sizes = [set.width, ...hidden, set.classes]
  const trained = sizes.slice(1).map((outputs, i) => openLayer(sizes[i] ?? 0, outputs, random))
  const input = new Float32Array(set.width)
  const rows = set.labels.length
  const steps = Math.ceil((rows * epochs) / batch)
  let step = 0
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = shuffled(rows, random)
    for (let start = 0; start < rows; start += batch) {
      const members = order.slice(start, start + batch)
      for (const row of members) {
        set.read(row, input)
        forward(trained, input)
        backward(trained, input, set.labels[row] ?? 0)
      }
      const rate = training.rate * (1 - step++ / steps)
      for (const layer of trained) descend(layer, rate, training.decay, members.length)
    }
  }
  return trained.map(({ inputs, outputs, weights, bias }) => ({ inputs, outputs, weights, bias }))
}

interface TrainedLayer extends Layer {
  /** Of the last row, after ReLU; for the last layer after softmax. */
  output: Float32Array
  /** Of the loss by the output before ReLU or softmax, for the last row. */
  slope: Float32Array
  weightSlopes: Float32Array
  biasSlopes: Float32Array
  weightSpeeds: Float32Array
  biasSpeeds: Float32Array
}

// He et al., 2015, with uniform numbers.
function openLayer(inputs: number, outputs: number, random: Random): TrainedLayer {
  const reach = Math.sqrt(6 / inputs)
  const size = inputs * outputs
  return {
    inputs,
    outputs,
    weights: Float32Array.from({ length: size }, () => (2 * random() - 1) * reach),
    bias: new Float32Array(outputs),
    output: new Float32Array(outputs),
    slope: new Float32Array(outputs),
    weightSlopes: new Float32Array(size),
    biasSlopes: new Float32Array(outputs),
    weightSpeeds: new Float32Array(size),
    biasSpeeds: new Float32Array(outputs),
  }
}

function forward(layers: readonly TrainedLayer[], row: Float32Array): void {
  let input = row
  layers.forEach((layer, place) => {
    const { inputs, outputs, weights, output } = layer
    output.set(layer.bias)
    for (let i = 0; i < inputs; i++) {
      const value = input[i] as number
      // Four in five pixels are 0, and half of what ReLU gives.
      if (value === 0) continue
      const start = i * outputs
      for (let o = 0; o < outputs; o++) output[o] = (output[o] as number) + value * (weights[start + o] as number)
    }
    if (place < layers.length - 1) for (let o = 0; o < outputs; o++) output[o] = Math.max(0, output[o] as number)
    else softmax(output)
    input = output
  })
}

function softmax(values: Float32Array): void {
  const largest = Math.max(...values)
  let sum = 0
  for (let i = 0; i < values.length; i++) {
    values[i] = Math.exp((values[i] as number) - largest)
    sum += values[i] as number
  }
  for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) / sum
}

/** Adds the slopes of one row. */
function backward(layers: readonly TrainedLayer[], row: Float32Array, label: number): void {
  for (let place = layers.length - 1; place >= 0; place--) {
    const layer = layers[place] as TrainedLayer
    const { inputs, outputs, slope, weightSlopes, biasSlopes } = layer
    const next = layers[place + 1]
    if (next === undefined) {
      slope.set(layer.output)
      slope[label] = (slope[label] as number) - 1
    } else {
      pullBack(next, layer)
    }
    for (let o = 0; o < outputs; o++) biasSlopes[o] = (biasSlopes[o] as number) + (slope[o] as number)
    const input = layers[place - 1]?.output ?? row
    for (let i = 0; i < inputs; i++) {
      const value = input[i] as number
      if (value === 0) continue
      const start = i * outputs
      for (let o = 0; o < outputs; o++) {
        weightSlopes[start + o] = (weightSlopes[start + o] as number) + value * (slope[o] as number)
      }
    }
  }
}

function pullBack(next: TrainedLayer, layer: TrainedLayer): void {
  for (let i = 0; i < next.inputs; i++) {
    let sum = 0
    if ((layer.output[i] as number) > 0) {
      const start = i * next.outputs
      for (let o = 0; o < next.outputs; o++) sum += (next.weights[start + o] as number) * (next.slope[o] as number)
    }
    layer.slope[i] = sum
  }
}

function descend(layer: TrainedLayer, rate: number, decay: number, rows: number): void {
  move(layer.weights, layer.weightSlopes, layer.weightSpeeds, rate, decay, rows)
  move(layer.bias, layer.biasSlopes, layer.biasSpeeds, rate, 0, rows)
}

function move(
  values: Float32Array,
  slopes: Float32Array,
  speeds: Float32Array,
  rate: number,
  decay: number,
  rows: number,
): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    const speed = momentum * (speeds[i] as number) - rate * ((slopes[i] as number) / rows + decay * value)
    speeds[i] = speed
    values[i] = value + speed
    slopes[i] = 0
  }
}
