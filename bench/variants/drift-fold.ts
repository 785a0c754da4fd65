/**
 * Reports with counts over HTTP: `node bench/variants/drift-fold.ts <rows|counts>`. A sample is one report of each of 1,000
 * senders for the next minute, on 100 connections, all acknowledged: milliseconds of it are thousandths of a second a
 * report. With `counts` each has 50 features of 64 bins. What is kept at the end is read back and must be exact.
 */
import { encodeModel } from '../../runtime/onnx/writer.ts'
import { openProfile } from '../../runtime/telemetry/profile.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { packed, pushModel, putJson } from '../node/model.ts'
import { digestOf, openOci } from '../node/oci.ts'
import { startRegistry } from '../node/servers.ts'
import { features, makeSpec, openRows } from '../workloads/counting.ts'

const senders = 1000
const connections = 100
const rounds = 8
const warmUp = 2

const spec = makeSpec()
const profileJson = Buffer.from(JSON.stringify(spec))
const counted = process.argv[2] === 'counts' ? countRow() : {}
const startedAt = Math.floor(Date.now() / 60_000) * 60_000
const names = Array.from({ length: senders }, (_, i) => Buffer.from(String(i).padStart(16)).toString('base64url'))

const running = await startRegistry()
const oci = openOci(running.url, connections)
try {
  await pushModel(oci, 'm', model())
  await putJson(oci, '/api/v1/endpoints/e/deployments/blue', 201, { model: 'm', version: 1 })
  const samples: number[] = []
  for (let round = 0; round < rounds; round++) {
    const left = [...names]
    const start = performance.now()
    await Promise.all(Array.from({ length: connections }, () => sendAll(left, round)))
    samples.push(performance.now() - start)
  }
  const { items } = JSON.parse((await oci.read('/api/v1/endpoints/e/profiles')).toString())
  const rows = items.reduce((sum: number, item: { rows: number }) => sum + item.rows, 0)
  console.log(JSON.stringify({ unit: 'ms', samples: samples.slice(warmUp), answer: rows }))
} finally {
  oci.close()
  await running.close()
}

async function sendAll(left: string[], round: number): Promise<void> {
  for (let sender = left.pop(); sender !== undefined; sender = left.pop()) {
    const body = Buffer.from(JSON.stringify(reportOf(sender, round)))
    const answer = await oci.send('POST', '/api/v1/telemetry', 200, body, { 'content-type': 'application/json' })
    if (!JSON.parse(answer.body.toString()).counted) throw new Error('a report was not counted')
  }
}

/** A row in each window. */
function reportOf(sender: string, round: number) {
  const source = { deployment: 'blue', version: 1, variant: 'fp32', provider: 'wasm', device: 'desktop' }
  const latency = new Array<number>(33).fill(0).with(9, 1)
  const profile = { ...source, spec: digestOf(profileJson), rows: 1, counts: counted, outputs: {}, latency, errors: {} }
  const window = new Date(startedAt - (rounds - round) * 60_000).toISOString()
  return {
    sender,
    seq: round + 1,
    window,
    endpoint: 'e',
    revision: 1,
    profiles: [profile],
    exposures: [],
    outcomes: [],
  }
}

function countRow(): Record<string, number[]> {
  const profile = openProfile(spec)
  for (const row of openRows(5)(1)) profile.countRow(row)
  return profile.counts().counts
}

function model() {
  const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: ['N', features.length] }]
  const outputs = [{ name: 'y', datatype: 'FP32' as const, shape: ['N', 1] }]
  const network = encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'linear',
      nodes: [{ operator: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
      initializers: { w: createTensor('FP32', [features.length, 1], new Float32Array(features.length)) },
      inputs,
      outputs,
    },
  })
  const variants = [{ id: 'fp32', file: 'model.onnx', providers: ['wasm', 'cpu'] }]
  const description = { inputs, outputs, features, variants, profile: 'profile.json' }
  return packed(
    {
      'model.onnx': Buffer.from(network),
      'selvedge.json': Buffer.from(JSON.stringify(description)),
      'profile.json': profileJson,
    },
    1,
  )
}
