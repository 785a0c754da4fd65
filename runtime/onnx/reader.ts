/**
 * Reads what an ONNX file declares without loading it: signature, opsets, operators, weights, external data, within
 * hard caps (threats RT-02 to RT-12). Nothing is copied from tensors and nothing recurses.
 */
import { SelvedgeError } from '../errors.ts'
import { decode, decodeAll, decodeWindows, type Need } from './decoder.ts'
import { domainName, newestIrVersion, newestOpsets } from './domain.ts'
import { grammar } from './grammar.ts'
import { type ModelMessage, type Operator, openSurvey, operatorKey } from './survey.ts'
import type { OnnxValue } from './value.ts'
import type { ExternalData, OnnxTensor } from './weights.ts'

export interface OnnxModel {
  irVersion: number
  /** Name and version of what wrote the file; may be empty. */
  producer: string
  opsets: { domain: string; version: number }[]
  /** Those that a caller must give: inputs that have an initializer are not among them. */
  inputs: OnnxValue[]
  outputs: OnnxValue[]
  /** By domain and name; subgraphs and local functions included. */
  operators: Operator[]
  /** Local functions. */
  functions: { domain: string; name: string }[]
  nodes: number
  /** Of the graph and its subgraphs, in the order of the file. */
  initializers: OnnxTensor[]
  external: ExternalData[]
  sizeBytes: number
}

export interface ReadOptions {
  /** Files that may hold external data, by their path in the version, with their size in bytes. Default: none. */
  allowed?: ReadonlyMap<string, number>
}

/**
 * The declarations of a model.
 *
 * @throws {@link SelvedgeError} `MODEL_INVALID` for what is no ONNX model, `MODEL_LIMIT` past a cap of `limits`,
 * `EXTERNAL_DATA` for a reference to a file that is not allowed, `OPERATOR_UNKNOWN` for operators of a domain or opset
 * that ONNX Runtime does not have
 */
export function readModel(bytes: Uint8Array, options: ReadOptions = {}): OnnxModel {
  return decodeAll(survey(bytes.length, options), bytes)
}

/**
 * As {@link readModel} for a model that is not in memory: windows of 64 KiB, without the payloads of tensors.
 *
 * @param read - gives that many bytes from the offset on
 */
export function readModelWindows(
  sizeBytes: number,
  read: (offset: number, length: number) => Promise<Uint8Array>,
  options: ReadOptions = {},
): Promise<OnnxModel> {
  return decodeWindows(survey(sizeBytes, options), read)
}

function* survey(sizeBytes: number, { allowed = new Map() }: ReadOptions): Generator<Need, OnnxModel, Uint8Array> {
  refuseOther(yield { offset: 0, length: Math.min(8, sizeBytes) })
  const found = openSurvey(allowed)
  const message = (yield* decode(sizeBytes, grammar, 'model', found)) as ModelMessage
  const { graph, functions } = message
  if (graph === undefined) throw new SelvedgeError('MODEL_INVALID', 'no ONNX model: it has no graph')
  const opsets = readOpsets(message)
  const operators = [...found.operators.values()]
  checkOperators(operators, new Set(functions.map(({ domain, name }) => operatorKey(domain, name))))
  const stored = new Set(graph.initializers)
  return {
    irVersion: message.irVersion ?? 0,
    producer: [message.producerName, message.producerVersion].filter(Boolean).join(' '),
    opsets,
    inputs: graph.inputs.filter(({ name }) => !stored.has(name)),
    outputs: graph.outputs,
    operators: operators.sort((a, b) => compare(a.domain, b.domain) || compare(a.name, b.name)),
    functions,
    nodes: found.nodes(),
    initializers: found.initializers,
    external: found.initializers.flatMap(({ external }) => external ?? []),
    sizeBytes,
  }
}

function refuseOther(start: Uint8Array): void {
  const text = String.fromCharCode(...start.subarray(0, 8))
  const other =
    text.slice(4, 8) === 'ORTM' ? 'an ORT-format model' : text.startsWith('PK') ? 'a ZIP archive' : undefined
  if (other) throw new SelvedgeError('MODEL_INVALID', `no ONNX model: the bytes are ${other}`)
}

function readOpsets({ irVersion = 0, opsets }: ModelMessage): { domain: string; version: number }[] {
  if (irVersion > newestIrVersion) {
    throw new SelvedgeError('OPERATOR_UNKNOWN', `IR version ${irVersion}, at most ${newestIrVersion} is known`)
  }
  if (opsets.length === 0) throw new SelvedgeError('MODEL_INVALID', 'no ONNX model: it imports no operator set')
  return opsets.map(({ domain, version = 0 }) => {
    const name = domainName(domain)
    const newest = newestOpsets[name]
    if (newest !== undefined && version > newest) {
      throw new SelvedgeError('OPERATOR_UNKNOWN', `opset ${version} of ${name}, at most ${newest} is known`, {
        domain: name,
        opset: version,
      })
    }
    return { domain: name, version }
  })
}

function checkOperators(operators: readonly Operator[], functions: ReadonlySet<string>): void {
  for (const { domain, name } of operators) {
    if (Object.hasOwn(newestOpsets, domain) || functions.has(operatorKey(domain, name))) continue
    throw new SelvedgeError('OPERATOR_UNKNOWN', `operator ${name} of the domain "${domain}", which is not known`, {
      domain,
      operator: name,
    })
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
