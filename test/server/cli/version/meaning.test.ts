import { describe, expect, test } from 'vitest'
import type { Description } from '../../../../runtime/contract/description.ts'
import { createTensor } from '../../../../runtime/tensor/tensor.ts'
import { outcomeClasses, readMeaning } from '../../../../server/cli/version/meaning.ts'

const describe2 = (outputs: Description['outputs']): Description => ({
  inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 2] }],
  outputs,
  variants: [{ id: 'fp32', file: 'model.onnx', providers: ['cpu'] }],
})
const label = { name: 'label', datatype: 'INT64' as const, shape: ['N'] }
const scores = { name: 'p', datatype: 'FP32' as const, shape: ['N', 2] }

describe('what an output means', () => {
  test('is a classification where every row holds probabilities', () => {
    const outputs = {
      label: createTensor('INT64', [2], BigInt64Array.of(0n, 1n)),
      p: createTensor('FP32', [2, 2], Float32Array.of(0.75, 0.25, 0.1, 0.9)),
    }
    expect(readMeaning(describe2([label, scores]), outputs, ['no', 'yes'])).toEqual({
      kind: 'classification',
      tensor: 'p',
      activation: 'none',
      classes: ['no', 'yes'],
    })
    expect(readMeaning(describe2([label, scores]), outputs, undefined)).toMatchObject({ classes: ['0', '1'] })
  })

  test('stays open where one row does not sum to 1: logits look the same', () => {
    const outputs = { p: createTensor('FP32', [2, 2], Float32Array.of(0.75, 0.25, 0.5, 0.9)) }
    expect(readMeaning(describe2([scores]), outputs, undefined)).toBeUndefined()
  })

  test('is a regression where the only output is a column of numbers', () => {
    const value = { name: 'y', datatype: 'FP32' as const, shape: ['N', 1] }
    const outputs = { y: createTensor('FP32', [1, 1], Float32Array.of(3)) }
    expect(readMeaning(describe2([value]), outputs, undefined)).toEqual({ kind: 'regression', tensor: 'y' })
    expect(readMeaning(describe2([value, label]), outputs, undefined)).toBeUndefined()
  })
})

describe('classes of an outcome', () => {
  test('numbers are ordered by size, texts by code point', () => {
    expect(outcomeClasses(['10', '9', '10', '2'])).toEqual(['2', '9', '10'])
    expect(outcomeClasses(['b', 'a', 'B'])).toEqual(['B', 'a', 'b'])
  })
})
