import { describe, expect, test } from 'vitest'
import { renderCommand } from '../../../server/cli/push.ts'
import { findLacks } from '../../../server/cli/version/summary.ts'

describe('the command that adds what a version lacks', () => {
  const description = {
    inputs: [{ name: 'x', datatype: 'FP32' as const, shape: ['N', 3] }],
    outputs: [{ name: 'y', datatype: 'FP32' as const, shape: ['N', 1] }],
    variants: [{ id: 'fp32', file: 'model.onnx', providers: ['cpu' as const] }],
  }

  test('is the one that was given, quoted for a shell, and more', () => {
    const given = renderCommand('housing', ['my models/model.onnx'], {
      features: ['a', 'b,c'],
      tag: { team: 'risk', owner: "d'Arc" },
      why: 'November data',
    })
    expect(given).toBe(
      "selvedge push housing 'my models/model.onnx' --features 'a,\"b,c\"' --why 'November data'" +
        " --tag team=risk --tag 'owner=d'\\''Arc'",
    )
  })

  test('names as many features as the input has columns, and the file that a baseline is read from', () => {
    const lacks = findLacks(description, { profile: false, golden: false }, 'selvedge push m model.onnx')
    expect(lacks.map(({ what, add }) => [what, add])).toEqual([
      ['features', 'selvedge push m model.onnx --baseline train.csv --features a,b,c'],
      ['output', '"output" in a selvedge.json, then selvedge push m model.onnx --description selvedge.json'],
      ['golden', 'selvedge push m model.onnx --golden golden.json'],
    ])
  })

  test('is none where nothing is lacking', () => {
    const features = ['a', 'b', 'c'].map((name, index) => ({ name, kind: 'numeric' as const, input: 'x', index }))
    const output = { kind: 'regression' as const, tensor: 'y' }
    expect(findLacks({ ...description, features, output }, { profile: true, golden: true }, 'x')).toEqual([])
    const [baseline] = findLacks({ ...description, features, output }, { profile: false, golden: true }, 'x')
    expect(baseline).toMatchObject({ what: 'baseline', add: 'x --baseline train.csv' })
  })
})
