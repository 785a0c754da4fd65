/** The models that the cases ask: `double`, `classes`, and one that echoes each datatype. */
import { datatypes } from '../../../runtime/contract/datatype.ts'
import { encodeModel, type ModelToWrite } from '../../../runtime/onnx/writer.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'
import { bytesOf, type Files, pushModel, sendJson } from '../../registry/fixture.ts'
import type { RunningRegistry } from '../../server/fixtures/registry.ts'

export const endpoints = ['double', 'classes', ...datatypes.map((datatype) => `echo-${datatype.toLowerCase()}`)]

/** An endpoint each, all of its traffic on version 1. */
export async function deployModels(registry: RunningRegistry): Promise<void> {
  for (const name of endpoints) {
    const pushed = await pushModel(registry.fixture, name, '1', filesOf(name))
    if (!pushed.ok) throw new Error(`${name}: ${await pushed.text()}`)
    const path = `/api/v1/endpoints/${name}/deployments/only`
    const deployed = await sendJson(registry.fixture, 'PUT', path, { model: name, version: 1 })
    if (!deployed.ok) throw new Error(`${name}: ${await deployed.text()}`)
  }
}

function filesOf(name: string): Files {
  const graph = graphOf(name)
  const output = { kind: 'classification', tensor: 'y', activation: 'none', classes: ['cat', 'dog', 'owl'] }
  const description = {
    inputs: graph.inputs,
    outputs: graph.outputs,
    ...(name === 'classes' && { output }),
    variants: [{ id: 'fp32', file: 'model.onnx', providers: ['wasm', 'cpu'] }],
  }
  return {
    'model.onnx': new Uint8Array(encodeModel({ graph, opsets: { '': 17 } })),
    'selvedge.json': bytesOf(description),
  }
}

function graphOf(name: string): ModelToWrite['graph'] {
  if (name === 'double') {
    return {
      name,
      nodes: [{ operator: 'Mul', inputs: ['x', 'two'], outputs: ['y'] }],
      initializers: { two: createTensor('FP32', [], Float32Array.of(2)) },
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: ['N', 2] }],
    }
  }
  const datatype = datatypes.find((each) => name === `echo-${each.toLowerCase()}`) ?? 'FP32'
  const shape = name === 'classes' ? ['N', 3] : ['N']
  return {
    name,
    nodes: [{ operator: 'Identity', inputs: ['x'], outputs: ['y'] }],
    initializers: {},
    inputs: [{ name: 'x', datatype, shape }],
    outputs: [{ name: 'y', datatype, shape }],
  }
}
