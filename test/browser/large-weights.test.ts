/** Sessions of networks whose weights are handed over outside of them, in a page's worker. */
import { type Remote, wrap } from 'comlink'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keepErrorCodes } from '../../browser/thrown.ts'
import { encodeModel, type NodeToWrite } from '../../runtime/onnx/writer.ts'
import { createTensor, type Tensor, type Tensors } from '../../runtime/tensor/tensor.ts'
import type { Lacking, SessionApi } from './conformance/session-worker.ts'

const browsers = [
  { browser: 'with WebGPU and JSPI', lacking: '', providers: ['wasm', 'webgpu'] },
  { browser: 'without JSPI', lacking: 'JSPI', providers: ['wasm', 'webgpu'] },
  { browser: 'without WebGPU', lacking: 'WebGPU', providers: ['wasm'] },
] as const

keepErrorCodes()

// Vite prepares the packages that test files import, but does not look into workers.
if (import.meta.env.SSR) await import('./conformance/session-worker.ts')

interface Case {
  name: string
  network: Uint8Array
  inputs: Tensors
  expected: number[]
}

/** Weights and inputs are whole numbers: sums of them are exact in every datatype here. */
const side = 256
const ones = ramp(side, () => 1)

const cases: Case[] = [
  {
    name: 'MatMul, whose weights ONNX Runtime packs',
    ...dense('FP32', [{ operator: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }]),
  },
  {
    name: 'Gemm with transposed weights',
    ...dense('FP32', [
      { operator: 'Gemm', inputs: ['x', 'w'], outputs: ['y'], attributes: { transB: { integer: 1 } } },
    ]),
    expected: ones.map((_, row) => sumOf(side, (column) => weight(row, column))),
  },
  {
    name: 'weights that are computed with before they are used',
    ...dense('FP32', [
      { operator: 'Transpose', inputs: ['w'], outputs: ['t'] },
      { operator: 'MatMul', inputs: ['x', 't'], outputs: ['y'] },
    ]),
    expected: ones.map((_, row) => sumOf(side, (column) => weight(row, column))),
  },
  {
    name: 'Conv with the scales of a BatchNormalization behind it',
    ...convolution(),
  },
  {
    name: 'a table of an odd number of bytes',
    ...table(),
  },
]

/** WebGPU's software adapter cannot compute with them. */
const halfPrecision: Case[] = [
  {
    name: 'MatMul in half precision',
    ...dense('FP16', [{ operator: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }]),
  },
]

describe.each(browsers)('networks with large weights in a browser $browser', ({ lacking, providers }) => {
  let worker: Worker
  let sessions: Remote<SessionApi>

  beforeAll(() => {
    const name: Lacking = lacking
    worker = new Worker(new URL('./conformance/session-worker.ts', import.meta.url), { type: 'module', name })
    sessions = wrap<SessionApi>(worker)
  })
  afterAll(() => worker.terminate())

  describe.each(providers)('on %s', (provider) => {
    test.each(provider === 'wasm' ? [...cases, ...halfPrecision] : cases)(
      '$name',
      async ({ network, inputs, expected }) => {
        const { y } = await sessions.run(network, provider, inputs)
        expect(numbersOf(y)).toEqual(expected)
      },
    )
  })
})

function weight(row: number, column: number): number {
  return ((row * 3 + column) % 7) - 3
}

function dense(datatype: 'FP32' | 'FP16', nodes: NodeToWrite[]): Omit<Case, 'name'> {
  const shape = [1, side]
  const network = encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'dense',
      nodes,
      initializers: { w: tensorOf(datatype, [side, side], grid(weight)) },
      inputs: [{ name: 'x', datatype, shape }],
      outputs: [{ name: 'y', datatype, shape }],
    },
  })
  const expected = ones.map((_, column) => sumOf(side, (row) => weight(row, column)))
  return { network, inputs: { x: tensorOf(datatype, shape, ones) }, expected }
}

/** 1 x 1 filters, so that one pixel is a product with a matrix; each sum is doubled and grows by 1. */
function convolution(): Omit<Case, 'name'> {
  const datatype = 'FP32'
  const vector = (value: number) =>
    tensorOf(
      datatype,
      [side],
      ramp(side, () => value),
    )
  const network = encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'convolution',
      nodes: [
        { operator: 'Conv', inputs: ['x', 'w'], outputs: ['sums'] },
        {
          operator: 'BatchNormalization',
          inputs: ['sums', 'scale', 'bias', 'mean', 'variance'],
          outputs: ['y'],
          attributes: { epsilon: { float: 0 } },
        },
      ],
      initializers: {
        w: tensorOf(datatype, [side, side, 1, 1], grid(weight)),
        scale: vector(2),
        bias: vector(1),
        mean: vector(0),
        variance: vector(1),
      },
      inputs: [{ name: 'x', datatype, shape: [1, side, 1, 1] }],
      outputs: [{ name: 'y', datatype, shape: [1, side, 1, 1] }],
    },
  })
  const expected = ones.map((_, row) => 2 * sumOf(side, (column) => weight(row, column)) + 1)
  return { network, inputs: { x: tensorOf(datatype, [1, side, 1, 1], ones) }, expected }
}

/** A table of 65,537 bytes, which no buffer of WebGPU holds exactly, in halves. */
function table(): Omit<Case, 'name'> {
  const rows = 65_537
  const network = encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'table',
      nodes: [
        { operator: 'DequantizeLinear', inputs: ['w', 'half'], outputs: ['halves'] },
        { operator: 'Gather', inputs: ['halves', 'x'], outputs: ['y'] },
      ],
      initializers: {
        w: createTensor('UINT8', [rows, 1], Uint8Array.from(ramp(rows, (row) => row % 200))),
        half: tensorOf('FP32', [], [0.5]),
      },
      inputs: [{ name: 'x', datatype: 'INT64', shape: [3] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [3, 1] }],
    },
  })
  const inputs = { x: createTensor('INT64', [3], BigInt64Array.of(0n, 65_536n, 399n)) }
  return { network, inputs, expected: [0, 68, 99.5] }
}

function tensorOf(datatype: 'FP32' | 'FP16', shape: number[], values: number[]): Tensor {
  if (datatype === 'FP32') return createTensor(datatype, shape, Float32Array.from(values))
  return createTensor(datatype, shape, new Uint16Array(Float16Array.from(values).buffer))
}

function numbersOf(tensor: Tensor | undefined): number[] {
  if (tensor?.datatype === 'FP16') {
    return Array.from(new Float16Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.length))
  }
  return Array.from((tensor?.data ?? []) as Float32Array)
}

function ramp(length: number, value: (index: number) => number): number[] {
  return Array.from({ length }, (_, index) => value(index))
}

function grid(value: (row: number, column: number) => number): number[] {
  return ramp(side * side, (index) => value(Math.floor(index / side), index % side))
}

function sumOf(length: number, value: (index: number) => number): number {
  return ramp(length, value).reduce((sum, each) => sum + each, 0)
}

describe.each(browsers)('sessions opened at once in a browser $browser', ({ lacking, providers }) => {
  test.each(providers)('on %s each have their own weights', async (provider) => {
    const name: Lacking = lacking
    const worker = new Worker(new URL('./conformance/session-worker.ts', import.meta.url), { type: 'module', name })
    try {
      const sessions = wrap<SessionApi>(worker)
      const answers = await Promise.all(
        [...cases, ...cases].map(({ network, inputs }) => sessions.run(network, provider, inputs)),
      )
      expect(answers.map(({ y }) => numbersOf(y))).toEqual([...cases, ...cases].map(({ expected }) => expected))
    } finally {
      worker.terminate()
    }
  })
})
