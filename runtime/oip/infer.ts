/**
 * Whole bodies of `infer`: a JSON object, and behind it the bytes of the tensors that say `binary_data_size`. The header
 * `Inference-Header-Content-Length` then tells where the JSON ends; 0 means that the body is one raw tensor.
 */
import type { TensorSignature } from '../contract/description.ts'
import { SelvedgeError } from '../errors.ts'
import { createTensor, datatypeFacts, type Tensor, type Tensors } from '../tensor/tensor.ts'
import { decodeBinaryTensor, decodeText, encodeBinaryTensor } from './binary.ts'
import { type BytesWriter, openBytesWriter } from './bytes-writer.ts'
import { decodeJsonTensor, isLong, losesInteger, writeJsonTensor } from './json.ts'
import { parseJson, quoteLongIntegers } from './json-text.ts'
import { inferRequest, inferResponse, parseMessage, type TensorMessage } from './message.ts'

export interface InferRequest {
  id?: string | undefined
  inputs: Tensors
  /** In the order of the answer; all of the network's where the sender named none. */
  outputs?: readonly string[] | undefined
  /** Whether this output goes back as bytes. */
  binary(output: string): boolean
  /** Outputs that go back as their so many largest values. */
  classification: Readonly<Record<string, number>>
  /** Higher goes first; 0 without one. */
  priority: number
  /** How long it may wait, in ms. */
  timeoutMs?: number | undefined
}

/** A body and the header that belongs to it; absent where the body is JSON alone. */
export interface Framed {
  body: Uint8Array<ArrayBuffer>
  headerLength?: number
}

/**
 * @param headerLength - `Inference-Header-Content-Length`, absent for a body of JSON alone
 * @param inputs - the endpoint's, asked for by a raw body only
 * @throws {@link SelvedgeError} `INVALID_REQUEST`, `TENSOR_INVALID`
 */
export function decodeInferRequest(
  body: Uint8Array,
  headerLength: number | undefined,
  inputs: () => readonly TensorSignature[],
): InferRequest {
  if (headerLength === 0) {
    return { inputs: decodeRawBody(body, inputs()), binary: () => true, classification: {}, priority: 0 }
  }
  const header = headerOf(body, headerLength)
  const message = parseMessage(inferRequest, parseJson(header))
  const tensors = decodeTensors(
    message.inputs,
    header,
    body,
    headerLength,
    (json) => parseMessage(inferRequest, json).inputs,
  )
  const binaryByDefault = message.parameters?.binary_data_output ?? false
  const binaryByName = new Map(message.outputs?.map(({ name, parameters }) => [name, parameters?.binary_data]))
  if (binaryByName.size !== (message.outputs?.length ?? 0)) {
    throw new SelvedgeError('INVALID_REQUEST', 'outputs: one of them comes twice')
  }
  const { priority = 0, timeout = 0 } = message.parameters ?? {}
  const classified = message.outputs?.flatMap(({ name, parameters }): [string, number][] =>
    parameters?.classification ? [[name, parameters.classification]] : [],
  )
  return {
    id: message.id,
    inputs: tensors,
    outputs: message.outputs?.map(({ name }) => name),
    binary: (output) => binaryByName.get(output) ?? binaryByDefault,
    classification: Object.fromEntries(classified ?? []),
    priority: priority === 0 ? 0 : middlePriority - priority,
    timeoutMs: timeout === 0 ? undefined : timeout / 1000,
  }
}

/**
 * @param version - of the model that answered
 * @throws {@link SelvedgeError} `OUTPUT_TOO_LARGE`
 */
export function encodeInferResponse(answer: {
  model: string
  version: number
  outputs: Tensors
  request: Pick<InferRequest, 'id' | 'outputs' | 'binary'>
}): Framed {
  const { model, version, outputs, request } = answer
  const writer = openBytesWriter('OUTPUT_TOO_LARGE')
  writer.text(`{"model_name":${JSON.stringify(model)},"model_version":"${version}"`)
  if (request.id !== undefined) writer.text(`,"id":${JSON.stringify(request.id)}`)
  return writeTensors('outputs', outputs, request.outputs ?? Object.keys(outputs), request.binary, writer)
}

/**
 * What a client sends; all tensors go, and all outputs are asked for, in binary form.
 *
 * @throws {@link SelvedgeError} `BODY_TOO_LARGE`
 */
export function encodeInferRequest(inputs: Tensors, outputs?: readonly string[]): Framed {
  const writer = openBytesWriter('BODY_TOO_LARGE')
  writer.text('{"parameters":{"binary_data_output":true}')
  if (outputs !== undefined) writer.text(`,"outputs":${JSON.stringify(outputs.map((name) => ({ name })))}`)
  return writeTensors('inputs', inputs, Object.keys(inputs), () => true, writer)
}

/** @throws {@link SelvedgeError} as {@link decodeInferRequest} */
export function decodeInferResponse(body: Uint8Array, headerLength: number | undefined) {
  const header = headerOf(body, headerLength)
  const message = parseMessage(inferResponse, parseJson(header))
  const outputs = decodeTensors(
    message.outputs,
    header,
    body,
    headerLength,
    (json) => parseMessage(inferResponse, json).outputs,
  )
  return { model: message.model_name, version: message.model_version, id: message.id, outputs }
}

const middlePriority = 5

function headerOf(body: Uint8Array, headerLength: number | undefined): Uint8Array {
  if (headerLength === undefined) return body
  if (headerLength <= body.length) return body.subarray(0, headerLength)
  throw new SelvedgeError(
    'INVALID_REQUEST',
    `Inference-Header-Content-Length is ${headerLength}, the body has ${body.length} bytes`,
  )
}

function decodeTensors(
  messages: readonly TensorMessage[],
  header: Uint8Array,
  body: Uint8Array,
  headerLength: number | undefined,
  again: (json: unknown) => readonly TensorMessage[],
): Tensors {
  const loses = messages.some(({ datatype, data }) => losesInteger(datatype, data))
  const whole = loses ? again(parseJson(quoteLongIntegers(header))) : messages
  const tensors = new Map<string, Tensor>()
  let at = headerLength ?? body.length
  for (const [i, message] of messages.entries()) {
    if (tensors.has(message.name)) throw new SelvedgeError('INVALID_REQUEST', `"${message.name}" comes twice`)
    const size = message.parameters?.binary_data_size
    if (size === undefined) {
      const data = isLong(message.datatype) ? whole[i]?.data : message.data
      tensors.set(message.name, decodeJsonTensor(message.name, message.datatype, message.shape, data))
      continue
    }
    if (at + size > body.length) {
      const left = `${body.length - at} bytes are left in the body`
      throw new SelvedgeError('INVALID_REQUEST', `"${message.name}" has binary_data_size ${size}, ${left}`)
    }
    const bytes = body.subarray(at, at + size)
    tensors.set(message.name, decodeBinaryTensor(message.name, message.datatype, message.shape, bytes))
    at += size
  }
  if (at !== body.length) {
    throw new SelvedgeError('INVALID_REQUEST', `${body.length - at} bytes of the body belong to no tensor`)
  }
  // Not by assignment: a tensor may be named "__proto__".
  return Object.fromEntries(tensors)
}

function decodeRawBody(body: Uint8Array, signatures: readonly TensorSignature[]): Tensors {
  const [input, ...others] = signatures
  if (input === undefined || others.length > 0) {
    throw new SelvedgeError('INVALID_REQUEST', `a raw body needs one input, the endpoint has ${signatures.length}`)
  }
  const { name, datatype } = input
  const tensor =
    datatype === 'BYTES'
      ? createTensor('BYTES', rawShape(input, 1), [decodeText(name, body)])
      : decodeBinaryTensor(name, datatype, rawShape(input, body.length / datatypeFacts[datatype].bytes), body)
  return Object.fromEntries([[name, tensor]])
}

/** The shape of `count` elements, where at most one dimension is free. */
function rawShape({ name, shape }: TensorSignature, count: number): number[] {
  const isFree = (dimension: number | string) => typeof dimension === 'string' || dimension < 0
  const free = shape?.filter(isFree).length
  if (shape === undefined || free === undefined || free > 1) {
    throw new SelvedgeError(
      'INVALID_REQUEST',
      `"${name}" has ${free ?? 'all'} free dimensions: a raw body fits at most one`,
    )
  }
  const fixed = shape.reduce<number>(
    (product, each) => (typeof each === 'string' || each < 0 ? product : product * each),
    1,
  )
  // A length that no whole number of rows gives is refused with the bytes that were wanted.
  const rows = fixed === 0 ? 0 : Math.floor(count / fixed)
  return shape.map((dimension) => (typeof dimension === 'string' || dimension < 0 ? rows : dimension))
}

function writeTensors(
  field: 'inputs' | 'outputs',
  tensors: Tensors,
  names: readonly string[],
  binary: (name: string) => boolean,
  writer: BytesWriter,
): Framed {
  const parts: Uint8Array[] = []
  writer.text(`,"${field}":[`)
  let separator = ''
  for (const name of names) {
    const tensor = tensors[name]
    if (tensor === undefined) continue
    writer.text(`${separator}{"name":${JSON.stringify(name)},"datatype":"${tensor.datatype}","shape":[${tensor.shape}]`)
    if (binary(name)) {
      const bytes = encodeBinaryTensor(tensor)
      parts.push(bytes)
      writer.text(`,"parameters":{"binary_data_size":${bytes.length}}}`)
    } else {
      writer.text(',"data":')
      writeJsonTensor(tensor, writer)
      writer.text('}')
    }
    separator = ','
  }
  writer.text(']}')
  if (parts.length === 0) return { body: writer.take() }
  const headerLength = writer.length
  for (const part of parts) writer.bytes(part)
  return { body: writer.take(), headerLength }
}
