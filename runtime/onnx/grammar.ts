/**
 * The messages of onnx.proto (github.com/onnx/onnx, IR version 13) as a table: field number, our name for the field, its
 * form. What is not in the table is skipped.
 */

/**
 * Forms and what the decoder gives for them: `integer` a number, `text` a string, `texts` strings, `message` and
 * `messages` what their own table says, `float` nothing, `bytes` a {@link Span}, `chunks` (repeated bytes) and the
 * repeated numbers `floats`, `doubles` and `integers` a {@link Counted}.
 */
export type Form =
  | 'integer'
  | 'integers'
  | 'float'
  | 'floats'
  | 'doubles'
  | 'text'
  | 'texts'
  | 'bytes'
  | 'chunks'
  | 'message'
  | 'messages'

export interface Field {
  name: string
  form: Form
  /** The table of a message's own fields. */
  of?: Kind
}

export type Kind =
  | 'model'
  | 'opset'
  | 'training'
  | 'function'
  | 'graph'
  | 'node'
  | 'attribute'
  | 'tensor'
  | 'sparseTensor'
  | 'entry'
  | 'value'
  | 'type'
  | 'tensorType'
  | 'shape'
  | 'dimension'
  | 'elementType'
  | 'mapType'

export type Grammar = Readonly<Record<Kind, Readonly<Record<number, Field>>>>

/** Bytes that stay where they are; `head` is a view of them where they are few. */
export interface Span {
  bytes: number
  head: Uint8Array | undefined
}

/** How many there are, and the first of them where they are integers. */
export interface Counted {
  count: number
  head: number[]
}

export const grammar: Grammar = {
  model: {
    1: { name: 'irVersion', form: 'integer' },
    2: { name: 'producerName', form: 'text' },
    3: { name: 'producerVersion', form: 'text' },
    7: { name: 'graph', form: 'message', of: 'graph' },
    8: { name: 'opsets', form: 'messages', of: 'opset' },
    20: { name: 'trainings', form: 'messages', of: 'training' },
    25: { name: 'functions', form: 'messages', of: 'function' },
  },
  opset: {
    1: { name: 'domain', form: 'text' },
    2: { name: 'version', form: 'integer' },
  },
  training: {
    1: { name: 'initialization', form: 'message', of: 'graph' },
    2: { name: 'algorithm', form: 'message', of: 'graph' },
  },
  function: {
    1: { name: 'name', form: 'text' },
    4: { name: 'inputs', form: 'texts' },
    5: { name: 'outputs', form: 'texts' },
    7: { name: 'nodes', form: 'messages', of: 'node' },
    9: { name: 'opsets', form: 'messages', of: 'opset' },
    10: { name: 'domain', form: 'text' },
    11: { name: 'attributes', form: 'messages', of: 'attribute' },
  },
  graph: {
    1: { name: 'nodes', form: 'messages', of: 'node' },
    2: { name: 'name', form: 'text' },
    5: { name: 'initializers', form: 'messages', of: 'tensor' },
    11: { name: 'inputs', form: 'messages', of: 'value' },
    12: { name: 'outputs', form: 'messages', of: 'value' },
    15: { name: 'sparseInitializers', form: 'messages', of: 'sparseTensor' },
  },
  node: {
    1: { name: 'inputs', form: 'texts' },
    2: { name: 'outputs', form: 'texts' },
    3: { name: 'name', form: 'text' },
    4: { name: 'operator', form: 'text' },
    5: { name: 'attributes', form: 'messages', of: 'attribute' },
    7: { name: 'domain', form: 'text' },
  },
  attribute: {
    1: { name: 'name', form: 'text' },
    2: { name: 'float', form: 'float' },
    3: { name: 'integer', form: 'integer' },
    4: { name: 'bytes', form: 'bytes' },
    5: { name: 'tensor', form: 'message', of: 'tensor' },
    6: { name: 'graph', form: 'message', of: 'graph' },
    7: { name: 'floats', form: 'floats' },
    8: { name: 'integers', form: 'integers' },
    9: { name: 'chunks', form: 'chunks' },
    10: { name: 'tensors', form: 'messages', of: 'tensor' },
    11: { name: 'graphs', form: 'messages', of: 'graph' },
    14: { name: 'valueType', form: 'message', of: 'type' },
    15: { name: 'valueTypes', form: 'messages', of: 'type' },
    20: { name: 'type', form: 'integer' },
    22: { name: 'sparseTensor', form: 'message', of: 'sparseTensor' },
    23: { name: 'sparseTensors', form: 'messages', of: 'sparseTensor' },
  },
  tensor: {
    1: { name: 'dims', form: 'integers' },
    2: { name: 'dataType', form: 'integer' },
    4: { name: 'floats', form: 'floats' },
    5: { name: 'int32s', form: 'integers' },
    6: { name: 'strings', form: 'chunks' },
    7: { name: 'int64s', form: 'integers' },
    8: { name: 'name', form: 'text' },
    9: { name: 'raw', form: 'bytes' },
    10: { name: 'doubles', form: 'doubles' },
    11: { name: 'uint64s', form: 'integers' },
    13: { name: 'external', form: 'messages', of: 'entry' },
    14: { name: 'location', form: 'integer' },
  },
  sparseTensor: {
    1: { name: 'values', form: 'message', of: 'tensor' },
    2: { name: 'indices', form: 'message', of: 'tensor' },
    3: { name: 'dims', form: 'integers' },
  },
  entry: {
    1: { name: 'key', form: 'text' },
    2: { name: 'value', form: 'text' },
  },
  value: {
    1: { name: 'name', form: 'text' },
    2: { name: 'type', form: 'message', of: 'type' },
  },
  type: {
    1: { name: 'tensor', form: 'message', of: 'tensorType' },
    4: { name: 'sequence', form: 'message', of: 'elementType' },
    5: { name: 'map', form: 'message', of: 'mapType' },
    8: { name: 'sparseTensor', form: 'message', of: 'tensorType' },
    9: { name: 'optional', form: 'message', of: 'elementType' },
  },
  tensorType: {
    1: { name: 'datatype', form: 'integer' },
    2: { name: 'shape', form: 'message', of: 'shape' },
  },
  shape: {
    1: { name: 'dimensions', form: 'messages', of: 'dimension' },
  },
  dimension: {
    1: { name: 'size', form: 'integer' },
    2: { name: 'symbol', form: 'text' },
  },
  // Of a sequence and of an optional.
  elementType: {
    1: { name: 'type', form: 'message', of: 'type' },
  },
  mapType: {
    1: { name: 'key', form: 'integer' },
    2: { name: 'type', form: 'message', of: 'type' },
  },
}
