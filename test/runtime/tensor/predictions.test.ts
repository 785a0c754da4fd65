import { describe, expect, test } from 'vitest'
import type { OutputMeaning } from '../../../runtime/contract/description.ts'
import {
  decodePredictions,
  outputTensorValues,
  outputValues,
  type Prediction,
} from '../../../runtime/tensor/predictions.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'
import { describing, refusal } from '../../fixtures/descriptions.ts'

describe('predictions', () => {
  function predict(output: OutputMeaning, shape: number[], numbers: number[], declared?: number[]): Prediction[] {
    const model = describing({
      outputs: [{ name: 'p', datatype: 'FP32', ...(declared && { shape: declared }) }],
      output,
    })
    return decodePredictions(model, { p: createTensor('FP32', shape, Float32Array.from(numbers)) })
  }
  const classes = (...names: string[]): Extract<OutputMeaning, { kind: 'classification' }> => ({
    kind: 'classification',
    tensor: 'p',
    activation: 'none',
    classes: names,
  })

  test('name the class of the highest score, the first of equals, and all scores', () => {
    expect(predict(classes('a', 'b', 'c'), [2, 3], [0.25, 0.5, 0.25, 0.25, 0.375, 0.375])).toEqual([
      { class: 'b', scores: { a: 0.25, b: 0.5, c: 0.25 } },
      { class: 'b', scores: { a: 0.25, b: 0.375, c: 0.375 } },
    ])
  })

  test('of two classes go by the threshold, which is the least score of the second', () => {
    const output = { ...classes('low', 'high'), threshold: 0.25 }
    expect(predict(output, [2, 2], [0.75, 0.25, 0.875, 0.125]).map((each) => 'class' in each && each.class)).toEqual([
      'high',
      'low',
    ])
  })

  test('of two classes may stand in one column, which holds the score of the second', () => {
    const rows = [
      { class: 'low', scores: { low: 0.5, high: 0.5 } },
      { class: 'high', scores: { low: 0.25, high: 0.75 } },
    ]
    expect(predict(classes('low', 'high'), [2, 1], [0.5, 0.75])).toEqual(rows)
    expect(predict(classes('low', 'high'), [2], [0.5, 0.75])).toEqual(rows)
    expect(predict({ ...classes('low', 'high'), threshold: 0.5 }, [1, 1], [0.5])).toEqual([
      { class: 'high', scores: { low: 0.5, high: 0.5 } },
    ])
  })

  test('of one record may have no batch axis where the model says so', () => {
    expect(predict(classes('low', 'high'), [2], [0.25, 0.75], [2])).toEqual([
      { class: 'high', scores: { low: 0.25, high: 0.75 } },
    ])
  })

  test('of logits come from softmax, which large logits do not overflow', () => {
    // exp(ln 3) = 3: shares of 1, 3 and 4.
    const [first, second] = predict(
      { ...classes('a', 'b', 'c'), activation: 'softmax' },
      [2, 3],
      [0, Math.log(3), Math.log(4), 10_000, 9_000, 0],
    )
    expect(first).toMatchObject({ class: 'c' })
    expect(Object.values((first as { scores: object }).scores)).toEqual([
      expect.closeTo(1 / 8, 6),
      expect.closeTo(3 / 8, 6),
      expect.closeTo(4 / 8, 6),
    ])
    expect(second).toEqual({ class: 'a', scores: { a: 1, b: 0, c: 0 } })
  })

  test('of one logit come from the sigmoid', () => {
    for (const activation of ['sigmoid', 'softmax'] as const) {
      expect(predict({ ...classes('low', 'high'), activation }, [1, 1], [Math.log(3)])).toEqual([
        { class: 'high', scores: { low: expect.closeTo(0.25, 6), high: expect.closeTo(0.75, 6) } },
      ])
    }
  })

  test('of a regression are numbers', () => {
    expect(predict({ kind: 'regression', tensor: 'p' }, [3, 1], [1, 2, 3])).toEqual([
      { value: 1 },
      { value: 2 },
      { value: 3 },
    ])
    expect(predict({ kind: 'regression', tensor: 'p' }, [], [4])).toEqual([{ value: 4 }])
  })

  test('come from 64-bit integers too', () => {
    const model = describing({ output: { kind: 'regression', tensor: 'p' } })
    expect(decodePredictions(model, { p: createTensor('INT64', [1], BigInt64Array.of(7n)) })).toEqual([{ value: 7 }])
  })

  test('are refused where the output is NaN, is missing, is text or has another width', () => {
    const output = classes('a', 'b', 'c')
    const model = describing({ output })
    expect([
      refusal(() => predict(output, [2, 3], [1, 0, 0, Number.NaN, 0, 0])),
      refusal(() => predict(output, [1, 2], [1, 0])),
      refusal(() => decodePredictions(model, {})),
      refusal(() => decodePredictions(model, { p: createTensor('BYTES', [1, 3], ['a', 'b', 'c']) })),
      refusal(() => decodePredictions(describing({}), {})),
    ]).toEqual([
      { code: 'RUN_FAILED', message: 'output "p" is NaN for record 1' },
      { code: 'NOT_SCORABLE', message: 'output "p": got FP32 [1,2], want 3 numbers a record' },
      { code: 'NOT_SCORABLE', message: 'output "p": got nothing, want 3 numbers a record' },
      { code: 'NOT_SCORABLE', message: 'output "p": got BYTES [1,3], want 3 numbers a record' },
      { code: 'NO_FEATURES', message: 'the description does not say what the output means' },
    ])
  })

  test('are counted by class and by the score of the second of two classes or of the class', () => {
    const two = describing({ output: classes('low', 'high') })
    const three = describing({ output: classes('a', 'b', 'c') })
    const value = describing({ output: { kind: 'regression', tensor: 'p' } })
    expect(outputValues(two, { class: 'low', scores: { low: 0.75, high: 0.25 } })).toEqual({
      class: 'low',
      score: 0.25,
    })
    expect(outputValues(three, { class: 'a', scores: { a: 0.75, b: 0.125, c: 0.125 } })).toEqual({
      class: 'a',
      score: 0.75,
    })
    expect(outputValues(value, { value: 3 })).toEqual({ value: 3 })
  })

  test('count the same from output tensors, where NaN is counted and not refused', () => {
    const two = describing({ output: classes('low', 'high') })
    const three = describing({ output: classes('a', 'b', 'c') })
    const value = describing({ output: { kind: 'regression', tensor: 'p' } })
    const floats = (shape: number[], ...numbers: number[]) => ({
      p: createTensor('FP32', shape, Float32Array.from(numbers)),
    })
    expect(outputTensorValues(two, floats([2, 2], 0.75, 0.25, Number.NaN, 1))).toEqual([
      { class: 'low', score: 0.25 },
      { class: null, score: Number.NaN },
    ])
    expect(outputTensorValues(three, floats([1, 3], 0.75, 0.125, 0.125))).toEqual([{ class: 'a', score: 0.75 }])
    expect(outputTensorValues(value, floats([1, 1], 3))).toEqual([{ value: 3 }])
    expect(outputTensorValues(value, {})).toEqual([])
    expect(outputTensorValues(describing({}), floats([1], 1))).toEqual([])
  })

  test('keep a class that is called like a property of every object', () => {
    const [prediction] = predict(classes('__proto__', 'constructor'), [1, 2], [0.75, 0.25])
    expect(Object.entries((prediction as { scores: object }).scores)).toEqual([
      ['__proto__', 0.75],
      ['constructor', 0.25],
    ])
  })
})
