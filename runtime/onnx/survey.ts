/** Folds the messages of a model as they end, so that no more of them is held than one graph's nodes. */
import { SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Listener, Message } from './decoder.ts'
import { domainName } from './domain.ts'
import type { Counted, Kind } from './grammar.ts'
import { checkGraph, constantBytes, type OnnxAttribute, type OnnxNode } from './graph.ts'
import { type OnnxType, type OnnxValue, readType, type TypeMessage } from './value.ts'
import { type OnnxTensor, readTensor, type TensorMessage } from './weights.ts'

export interface Operator {
  /** ONNX's own domain is `ai.onnx`. */
  domain: string
  name: string
  count: number
}

export interface ModelMessage {
  irVersion?: number
  producerName?: string
  producerVersion?: string
  opsets: { domain?: string; version?: number }[]
  functions: { domain: string; name: string }[]
  graph?: Graph
}

interface Graph {
  inputs: OnnxValue[]
  outputs: OnnxValue[]
  /** Names. */
  initializers: string[]
}

export interface Survey extends Listener {
  /** By {@link operatorKey}. */
  readonly operators: ReadonlyMap<string, Operator>
  readonly initializers: OnnxTensor[]
  nodes(): number
}

export function operatorKey(domain: string, name: string): string {
  return `${domain}\0${name}`
}

export function openSurvey(allowed: ReadonlyMap<string, number>): Survey {
  const operators = new Map<string, Operator>()
  const initializers: OnnxTensor[] = []
  // The graph of the model itself is nested in nothing.
  const depth = { graph: -1, type: -1 }
  const seen = { nodes: 0, initializers: 0 }

  return { operators, initializers, nodes: () => seen.nodes, enter, leave }

  function enter(kind: Kind, field?: string): void {
    if (kind === 'node') cap('graphNodes', ++seen.nodes, 'nodes')
    if (kind === 'graph') cap('graphNesting', ++depth.graph, 'graphs inside one another')
    if (kind === 'type') cap('graphNesting', ++depth.type, 'types inside one another')
    if (field === 'initializers' || field === 'sparseInitializers') {
      cap('graphInitializers', ++seen.initializers, 'initializers')
    }
  }

  function leave(kind: Kind, message: Message): unknown {
    switch (kind) {
      case 'graph':
        depth.graph--
        return foldGraph(message as unknown as GraphMessage)
      case 'type':
        depth.type--
        return readType(message as TypeMessage)
      case 'value':
        return readValue(message)
      case 'tensor':
        return readTensor(message as unknown as TensorMessage, allowed)
      case 'sparseTensor':
        return readSparse(message as unknown as SparseMessage)
      case 'attribute':
        return readAttribute(message as unknown as AttributeMessage)
      case 'node':
        return foldNode(message as unknown as NodeMessage)
      case 'function':
        return foldFunction(message as unknown as FunctionMessage)
      default:
        return message
    }
  }

  function foldNode({ domain, operator = '', name = '', inputs, outputs, attributes }: NodeMessage): OnnxNode {
    const node = { domain: domainName(domain), operator, name, inputs, outputs, attributes }
    const key = operatorKey(node.domain, operator)
    const known = operators.get(key)
    if (known) known.count++
    else operators.set(key, { domain: node.domain, name: operator, count: 1 })
    return node
  }

  function foldGraph(message: GraphMessage): Graph {
    const { nodes, inputs, outputs } = message
    const stored = [...message.initializers, ...message.sparseInitializers]
    checkGraph({ nodes, inputs: inputs.map(({ name }) => name), initializers: stored })
    for (const tensor of stored) initializers.push(tensor)
    return { inputs, outputs, initializers: stored.map(({ name }) => name) }
  }
}

interface GraphMessage {
  nodes: OnnxNode[]
  inputs: OnnxValue[]
  outputs: OnnxValue[]
  initializers: OnnxTensor[]
  sparseInitializers: OnnxTensor[]
}

interface NodeMessage {
  domain?: string
  operator?: string
  name?: string
  inputs: string[]
  outputs: string[]
  attributes: OnnxAttribute[]
}

interface AttributeMessage {
  name?: string
  tensor?: OnnxTensor
  integers: Counted
}

interface SparseMessage {
  values?: OnnxTensor
  indices?: OnnxTensor
  dims: Counted
}

interface FunctionMessage {
  domain?: string
  name?: string
  inputs: string[]
  nodes: OnnxNode[]
}

function readValue({ name = '', type }: { name?: string; type?: OnnxType }): OnnxValue {
  return { name, type: type ?? { kind: 'unknown', text: 'unknown' } }
}

// Attributes that say nothing about sizes are not kept: there may be very many.
function readAttribute({ name = '', tensor, integers }: AttributeMessage): OnnxAttribute | undefined {
  if (tensor) return { name, tensor }
  return integers.count > 0 ? { name, integers: integers.head } : undefined
}

// ONNX Runtime makes a sparse tensor dense while it loads.
function readSparse({ values, indices, dims }: SparseMessage): OnnxTensor {
  if (values === undefined || indices === undefined || dims.head.some((dim) => dim < 0)) {
    throw new SelvedgeError('MODEL_INVALID', 'a sparse tensor without values, indices or a shape of at least 0')
  }
  const bytes = dims.head.reduce((product, dim) => product * dim, values.datatype.bits / 8)
  if (bytes > constantBytes || dims.count > dims.head.length) {
    throw new SelvedgeError(
      'MODEL_LIMIT',
      `sparse tensor "${values.name}" [${dims.head}] has ${bytes} bytes, at most ${constantBytes}`,
    )
  }
  return { ...values, dims: dims.head }
}

function foldFunction({ domain, name = '', inputs, nodes }: FunctionMessage): { domain: string; name: string } {
  checkGraph({ nodes, inputs, initializers: [] })
  return { domain: domainName(domain), name }
}

function cap(limit: 'graphNodes' | 'graphNesting' | 'graphInitializers', count: number, what: string): void {
  if (count <= limits[limit]) return
  throw new SelvedgeError('MODEL_LIMIT', `more than ${limits[limit]} ${what}`, { limit: limits[limit] })
}
