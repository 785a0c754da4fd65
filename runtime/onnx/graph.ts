/** What can be known of a graph without running it: names defined once, no cycle, no constant of absurd size. */
import { SelvedgeError } from '../errors.ts'
import { onnxDomain } from './domain.ts'
import type { OnnxTensor } from './weights.ts'

/**
 * Largest tensor that a model may make from constants alone. 73 bytes of model ask for gigabytes otherwise, and ONNX
 * Runtime makes them while it loads.
 */
export const constantBytes = 512 * 1024 * 1024

export interface OnnxNode {
  domain: string
  operator: string
  name: string
  inputs: string[]
  outputs: string[]
  attributes: OnnxAttribute[]
}

export interface OnnxAttribute {
  name: string
  /** At most the first 32. */
  integers?: number[]
  tensor?: OnnxTensor
}

export interface GraphParts {
  nodes: readonly OnnxNode[]
  inputs: readonly string[]
  initializers: readonly OnnxTensor[]
}

/**
 * @throws {@link SelvedgeError} `MODEL_INVALID` for a name that is defined twice and for a cycle, `MODEL_LIMIT` for a
 * constant over {@link constantBytes}
 */
export function checkGraph(graph: GraphParts): void {
  const makers = findMakers(graph)
  checkOrder(graph.nodes, makers)
  checkConstants(graph)
}

/** Node by the name of each of its outputs. */
function findMakers({ nodes, inputs, initializers }: GraphParts): Map<string, number> {
  const given = new Set<string>()
  for (const name of inputs) {
    if (given.has(name)) throw twice(name)
    given.add(name)
  }
  // An initializer may stand among the inputs, as its default.
  const stored = new Set<string>()
  for (const { name } of initializers) {
    if (stored.has(name)) throw twice(name)
    stored.add(name)
  }
  const makers = new Map<string, number>()
  nodes.forEach(({ outputs }, index) => {
    for (const name of outputs) {
      if (name === '') continue
      if (given.has(name) || stored.has(name) || makers.has(name)) throw twice(name)
      makers.set(name, index)
    }
  })
  return makers
}

// Kahn, 1962: takes away nodes that wait for no other; what is left lies on a cycle.
function checkOrder(nodes: readonly OnnxNode[], makers: ReadonlyMap<string, number>): void {
  const waiting = new Int32Array(nodes.length)
  const followers: number[][] = nodes.map(() => [])
  nodes.forEach(({ inputs }, index) => {
    for (const name of inputs) {
      const maker = makers.get(name)
      if (maker === undefined) continue
      waiting[index] = (waiting[index] as number) + 1
      followers[maker]?.push(index)
    }
  })
  const ready: number[] = []
  waiting.forEach((count, index) => {
    if (count === 0) ready.push(index)
  })
  let done = 0
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    done++
    for (const follower of followers[index] ?? []) {
      waiting[follower] = (waiting[follower] as number) - 1
      if (waiting[follower] === 0) ready.push(follower)
    }
  }
  if (done < nodes.length) {
    const node = nodes[waiting.findIndex((count) => count > 0)]
    throw new SelvedgeError('MODEL_INVALID', `a cycle of nodes through the output "${node?.outputs[0]}"`)
  }
}

function checkConstants({ nodes, initializers }: GraphParts): void {
  const shapes = new Map<string, number[]>()
  for (const { name, integers } of initializers) if (integers) shapes.set(name, integers)
  for (const node of nodes) {
    const value = node.operator === 'Constant' ? constantOf(node) : undefined
    if (value) shapes.set(node.outputs[0] ?? '', value)
  }
  for (const node of nodes) {
    const shape = node.domain === onnxDomain ? shapeOf(node, shapes) : undefined
    if (shape === undefined) continue
    const bytes = shape.reduce((product, size) => product * Math.max(size, 0), bytesOf(node))
    if (bytes > constantBytes) {
      throw new SelvedgeError(
        'MODEL_LIMIT',
        `${node.operator} makes a tensor [${shape}] of ${bytes} bytes, at most ${constantBytes}`,
        { limit: constantBytes },
      )
    }
  }
}

function constantOf(node: OnnxNode): number[] | undefined {
  return attributeOf(node, 'value')?.tensor?.integers ?? attributeOf(node, 'value_ints')?.integers
}

function shapeOf(node: OnnxNode, shapes: ReadonlyMap<string, number[]>): number[] | undefined {
  if (node.operator === 'ConstantOfShape') return shapes.get(node.inputs[0] ?? '')
  if (node.operator === 'Expand') return shapes.get(node.inputs[1] ?? '')
  if (node.operator === 'RandomNormal' || node.operator === 'RandomUniform') return attributeOf(node, 'shape')?.integers
  return undefined
}

// The elements of Expand are those of its input, which is not known here: at least a byte each.
function bytesOf(node: OnnxNode): number {
  if (node.operator === 'Expand') return 1
  return (attributeOf(node, 'value')?.tensor?.datatype.bits ?? 32) / 8
}

function attributeOf(node: OnnxNode, name: string): OnnxAttribute | undefined {
  return node.attributes.find((attribute) => attribute.name === name)
}

function twice(name: string): SelvedgeError {
  return new SelvedgeError('MODEL_INVALID', `the name "${name}" is defined twice in one graph`, { name })
}
