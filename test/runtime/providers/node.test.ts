import { afterAll, describe, expect, test } from 'vitest'
import { encodeModel } from '../../../runtime/onnx/writer.ts'
import { openNodeSession } from '../../../runtime/providers/node.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'

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

describe.each(['cpu', 'wasm'] as const)('RT-18: a session on %s', (provider) => {
  const open = () => openNodeSession({ network, externalData: [] }, provider)
  const inputs = { x: createTensor('BYTES', [1], ['a']) }

  test('refuses a run after its end, and a second end does no harm', async () => {
    const session = await open()
    await session.close()
    await expect(session.run(inputs)).rejects.toMatchObject({ code: 'RUN_FAILED' })
    await session.close()
  })

  test('answers the run that its end finds', async () => {
    const session = await open()
    const running = session.run(inputs)
    const ended = session.close()
    expect((await running).y?.data).toEqual(['a'])
    await ended
  })

  test('stands beside another of the same bytes', async () => {
    const [one, other] = await Promise.all([open(), open()])
    await one.close()
    expect((await other.run(inputs)).y?.data).toEqual(['a'])
    await other.close()
  })
})
