/** Our reader beside protobufjs (`onnx-proto`) on models that others wrote. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { onnx } from 'onnx-proto'
import { describe, expect, test } from 'vitest'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { onnxDatatypes } from '../../../runtime/onnx/datatype.ts'
import { readModel } from '../../../runtime/onnx/reader.ts'

const folder = fileURLToPath(new URL('../../../../shared/models', import.meta.url))
const files = existsSync(folder) ? globSync('**/*.onnx', { cwd: folder }).sort() : []
const silero = fileURLToPath(
  new URL('../../../node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx', import.meta.url),
)

describe('the reader beside protobufjs', () => {
  test.skipIf(files.length === 0).each(files)('reads %s alike', (file) => {
    compare(readFileSync(join(folder, file)))
  })

  test('reads Silero VAD alike', () => {
    compare(readFileSync(silero))
  })
})

test('RT-14 1,000 mutations of a real model give a model or an error with a code', () => {
  const bytes = new Uint8Array(readFileSync(silero))
  const overwrite = fc.record({ at: fc.nat(bytes.length - 1), value: fc.nat(255) })
  fc.assert(
    fc.property(fc.array(overwrite, { minLength: 1, maxLength: 8 }), (overwrites) => {
      const before = overwrites.map(({ at }) => bytes[at] as number)
      for (const { at, value } of overwrites) bytes[at] = value
      try {
        readModel(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(SelvedgeError)
      } finally {
        // Backwards, since one place may have been written twice.
        for (const [i, { at }] of [...overwrites.entries()].reverse()) bytes[at] = before[i] as number
      }
    }),
    { numRuns: 1000, seed: 20261124 },
  )
}, 60_000)

function compare(bytes: Uint8Array): void {
  const model = readModel(bytes)
  const other = onnx.ModelProto.decode(bytes)
  const graph = other.graph
  const stored = graph?.initializer?.map(({ name }) => name)
  expect(model.irVersion).toBe(Number(other.irVersion))
  expect(model.producer).toBe([other.producerName, other.producerVersion].filter(Boolean).join(' '))
  expect(model.opsets).toEqual(
    other.opsetImport.map(({ domain, version }) => ({ domain: domain || 'ai.onnx', version: Number(version) })),
  )
  expect(model.inputs.map(signatureOf)).toEqual(
    graph?.input?.filter(({ name }) => !stored?.includes(name)).map(otherSignature),
  )
  expect(model.outputs.map(signatureOf)).toEqual(graph?.output?.map(otherSignature))
  const operators = new Map<string, number>()
  const tensors: object[] = []
  walk(graph, operators, tensors)
  expect(Object.fromEntries(model.operators.map(({ domain, name, count }) => [`${domain} ${name}`, count]))).toEqual(
    Object.fromEntries(operators),
  )
  const read = model.initializers.map(({ name, datatype, dims }) => ({ name, datatype: datatype.name, dims }))
  expect(read.sort(byName)).toEqual((tensors as typeof read).sort(byName))
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}

function signatureOf({ name, type }: ReturnType<typeof readModel>['inputs'][number]): object {
  return { name, kind: type.kind, datatype: type.datatype?.name, shape: type.shape }
}

function otherSignature({ name, type }: onnx.IValueInfoProto): object {
  if (!type?.tensorType) {
    const kind = type?.sequenceType ? 'sequence' : type?.mapType ? 'map' : type?.optionalType ? 'optional' : 'unknown'
    return { name, kind, datatype: undefined, shape: undefined }
  }
  const shape = type.tensorType.shape?.dim?.map((dim) => {
    const { value } = new onnx.TensorShapeProto.Dimension(dim)
    return value === 'dimValue' ? Number(dim.dimValue) : dim.dimParam || -1
  })
  return { name, kind: 'tensor', datatype: onnxDatatypes[type.tensorType.elemType ?? 0]?.name, shape }
}

function walk(graph: onnx.IGraphProto | null | undefined, operators: Map<string, number>, tensors: object[]): void {
  for (const { name, dataType, dims } of graph?.initializer ?? []) {
    tensors.push({ name, datatype: onnxDatatypes[dataType ?? 0]?.name, dims: dims?.map(Number) })
  }
  for (const { domain, opType, attribute } of graph?.node ?? []) {
    const key = `${domain || 'ai.onnx'} ${opType}`
    operators.set(key, (operators.get(key) ?? 0) + 1)
    for (const { g, graphs } of attribute ?? []) {
      for (const inner of [g, ...(graphs ?? [])]) if (inner) walk(inner, operators, tensors)
    }
  }
}
