import { afterAll, describe, expect, test } from 'vitest'
import { encodeModel } from '../../../runtime/onnx/writer.ts'
import { openNodeSession } from '../../../runtime/providers/node.ts'
import { createTensor } from '../../../runtime/tensor.ts'

const network = encodeModel({
  opsets: { '': 17 },
  graph: {
    name: 'identity',
    nodes: [{ operator: 'Identity', inputs: ['x'], outputs: ['y'] }],
    initializers: {},
    inputs: [{ name: 'x', datatype: 'BYTES', shape: ['N'] }],
    outputs: [{ name: 'y', datatype: 'BYTES', shape: ['N'] }],
  },
})

describe.each(['cpu', 'wasm'] as const)('texts on %s', async (provider) => {
  const session = await openNodeSession({ network, externalData: [] }, provider)
  const through = async (...texts: string[]) =>
    (await session.run({ x: createTensor('BYTES', [texts.length], texts) })).y?.data

  afterAll(() => session.close())

  test('SC-07: NUL, empty texts and characters of four bytes come through whole', async () => {
    const texts = ['a\0b', '\0', '', '\0\0c\0', 'Zoë 🦉', 'x'.repeat(100_000)]
    expect(await through(...texts)).toEqual(texts)
  })

  test('SC-07: the noncharacter that stands for NUL is refused', async () => {
    await expect(through('a\u{10ffff}b')).rejects.toMatchObject({ code: 'TENSOR_INVALID' })
  })
})
