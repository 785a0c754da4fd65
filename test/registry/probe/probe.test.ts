/** A network is loaded and run once in a child process before it is served: what that process finds. */
import { describe, expect, test } from 'vitest'
import { probe } from '../../../registry/probe/probe.ts'
import { encodeModel } from '../../../runtime/onnx/writer.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'
import { scaleDescription, scaleModel } from '../../fixtures/models.ts'

function file(bytes: Uint8Array, path = 'model.onnx') {
  return {
    path,
    size: bytes.length,
    async *read() {
      yield bytes.subarray(0, 10)
      yield bytes.subarray(10)
    },
  }
}

const timeoutMs = 30_000
const { signal } = new AbortController()

const golden = (factor: number) => ({
  tolerance: 1e-6,
  samples: [
    {
      inputs: [{ name: 'x', datatype: 'FP32' as const, shape: [1, 2], data: [1, 2] }],
      outputs: [{ name: 'y', datatype: 'FP32' as const, shape: [1, 2], data: [factor, 2 * factor] }],
    },
  ],
})

/** Trip count and condition of `Loop` never end it. */
const endless = encodeModel({
  opsets: { '': 17 },
  graph: {
    name: 'endless',
    nodes: [
      {
        operator: 'Loop',
        inputs: ['trips', 'go', 'x'],
        outputs: ['y'],
        attributes: {
          body: {
            graph: {
              name: 'body',
              nodes: [
                { operator: 'Identity', inputs: ['on'], outputs: ['stillOn'] },
                { operator: 'Identity', inputs: ['value'], outputs: ['same'] },
              ],
              inputs: [
                { name: 'trip', datatype: 'INT64', shape: [] },
                { name: 'on', datatype: 'BOOL', shape: [] },
                { name: 'value', datatype: 'FP32', shape: ['N', 2] },
              ],
              outputs: [
                { name: 'stillOn', datatype: 'BOOL', shape: [] },
                { name: 'same', datatype: 'FP32', shape: ['N', 2] },
              ],
            },
          },
        },
      },
    ],
    initializers: {
      trips: createTensor('INT64', [], BigInt64Array.of(2n ** 62n)),
      go: createTensor('BOOL', [], Uint8Array.of(1)),
    },
    inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 2] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: ['N', 2] }],
  },
})

describe('a probe', () => {
  test('finds nothing wrong with a network that loads and gives its golden outputs', async () => {
    const report = await probe({
      description: scaleDescription,
      golden: golden(3),
      files: [file(scaleModel(3))],
      timeoutMs,
      signal,
    })
    expect(report).toEqual({})
  })

  test('runs a network without golden samples on zeros', async () => {
    const report = await probe({ description: scaleDescription, files: [file(scaleModel(3))], timeoutMs, signal })
    expect(report).not.toHaveProperty('refused')
  })

  test('tells by how much golden outputs are missed', async () => {
    const report = await probe({
      description: scaleDescription,
      golden: golden(4),
      files: [file(scaleModel(3))],
      timeoutMs,
      signal,
    })
    expect(report).toMatchObject({
      refused: { code: 'GOLDEN_MISMATCH', message: expect.stringContaining('differs by 2') },
    })
  })

  test('tells what ONNX Runtime has against the bytes', async () => {
    const report = await probe({
      description: scaleDescription,
      files: [file(new Uint8Array(100).fill(7))],
      timeoutMs,
      signal,
    })
    expect(report).toMatchObject({ refused: { code: 'MODEL_INVALID' } })
  })

  test('kills a network that never ends, and says so', async () => {
    const report = await probe({ description: scaleDescription, files: [file(endless)], timeoutMs: 3000, signal })
    expect(report).toEqual({ died: 'it did not load and run within 3 s' })
  })
})
