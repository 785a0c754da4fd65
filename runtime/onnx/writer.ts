/** Writes ONNX models from plain objects. The same model gives the same bytes. */
import type { TensorSignature } from '../contract/description.ts'
import { datatypeFacts, type Tensor, type Tensors } from '../tensor/tensor.ts'
import { onnxNumbers } from './datatype.ts'
import { encode } from './encoder.ts'
import { grammar } from './grammar.ts'

type Attribute =
  | { integer: number }
  | { float: number }
  | { text: string }
  | { integers: readonly number[] }
  | { floats: readonly number[] }
  | { texts: readonly string[] }
  | { tensor: Tensor }
  | { graph: GraphToWrite }

export interface NodeToWrite {
  operator: string
  /** Default: ONNX's own. */
  domain?: string
  /** The empty text stands for an input or output that is left out. */
  inputs: readonly string[]
  outputs: readonly string[]
  attributes?: Readonly<Record<string, Attribute>>
}

interface GraphToWrite {
  name: string
  nodes: readonly NodeToWrite[]
  initializers?: Tensors
  inputs: readonly TensorSignature[]
  outputs: readonly TensorSignature[]
}

export interface ModelToWrite {
  graph: GraphToWrite
  /** Newest opset that its operators keep to, by domain. ONNX's own domain is the empty text. */
  opsets: Readonly<Record<string, number>>
  producer?: string
}

/** IR version of ONNX 1.13: read by every ONNX Runtime since 1.14. */
const irVersion = 8

export function encodeModel({ graph, opsets, producer = 'selvedge' }: ModelToWrite): Uint8Array {
  return encode(grammar, 'model', {
    irVersion,
    producerName: producer,
    opsets: Object.entries(opsets).map(([domain, version]) => ({ domain, version })),
    graph: graphMessage(graph),
  })
}

type Encodable = Record<string, unknown>

// A graph inside a graph inside a graph is as deep as its writer wrote it by hand.
function graphMessage({ name, nodes, initializers = {}, inputs, outputs }: GraphToWrite): Encodable {
  return {
    name,
    nodes: nodes.map(nodeMessage),
    initializers: Object.entries(initializers).map(([name, tensor]) => ({ ...tensorMessage(tensor), name })),
    inputs: inputs.map(valueMessage),
    outputs: outputs.map(valueMessage),
  }
}

function nodeMessage({ operator, domain, inputs, outputs, attributes = {} }: NodeToWrite): Encodable {
  return {
    operator,
    domain,
    inputs,
    outputs,
    attributes: Object.entries(attributes).map(([name, attribute]) => ({ name, ...attributeMessage(attribute) })),
  }
}

/** AttributeProto.AttributeType beside the value. */
function attributeMessage(attribute: Attribute): Encodable {
  if ('float' in attribute) return { type: 1, float: attribute.float }
  if ('integer' in attribute) return { type: 2, integer: attribute.integer }
  if ('text' in attribute) return { type: 3, bytes: new TextEncoder().encode(attribute.text) }
  if ('tensor' in attribute) return { type: 4, tensor: tensorMessage(attribute.tensor) }
  if ('graph' in attribute) return { type: 5, graph: graphMessage(attribute.graph) }
  if ('floats' in attribute) return { type: 6, floats: attribute.floats }
  if ('integers' in attribute) return { type: 7, integers: attribute.integers }
  return { type: 8, chunks: encodeTexts(attribute.texts) }
}

function tensorMessage(tensor: Tensor): Encodable {
  const message = { dims: tensor.shape, dataType: onnxNumbers[tensor.datatype] }
  if (tensor.datatype === 'BYTES') return { ...message, strings: encodeTexts(tensor.data) }
  return { ...message, raw: littleEndian(tensor) }
}

/** Raw data is little-endian whatever the machine is. */
function littleEndian(tensor: Exclude<Tensor, { datatype: 'BYTES' }>): Uint8Array {
  const { buffer, byteOffset, byteLength } = tensor.data
  const bytes = new Uint8Array(buffer, byteOffset, byteLength).slice()
  const bigEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0
  const width = datatypeFacts[tensor.datatype].bytes
  if (bigEndian) for (let at = 0; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse()
  return bytes
}

function valueMessage({ name, datatype, shape }: TensorSignature): Encodable {
  const dimensions = shape?.map((dimension) => {
    if (typeof dimension === 'string') return { symbol: dimension }
    return dimension < 0 ? {} : { size: dimension }
  })
  return {
    name,
    type: { tensor: { datatype: onnxNumbers[datatype], shape: dimensions && { dimensions } } },
  }
}

function encodeTexts(texts: readonly string[]): Uint8Array[] {
  return texts.map((text) => new TextEncoder().encode(text))
}
