/**
 * The scoring server that people build themselves: a Hono route that runs ONNX Runtime in its handler and speaks the Open
 * Inference Protocol, in JSON and in binary form. `node bench/node/bare-scoring.ts <folder> <model> [threads]`
 */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { isModel, models } from '../workloads/models.ts'

interface Message {
  inputs: { name: string; shape: number[]; data?: number[]; parameters?: { binary_data_size: number } }[]
}

const [name, threads] = process.argv.slice(3)
if (!isModel(name)) throw new Error(`no model ${name}`)
const session = await InferenceSession.create(models[name].read(), {
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
  ...(threads !== undefined && { intraOpNumThreads: Number(threads) }),
})
const app = new Hono()

app.get('/v2/health/live', (c) => c.json({ live: true }))
app.post('/v2/models/:model/infer', async (c) => {
  const jsonLength = c.req.header('inference-header-content-length')
  if (jsonLength === undefined) {
    const { inputs } = await c.req.json<Message>()
    const results = await session.run(
      Object.fromEntries(
        inputs.map(({ name, shape, data = [] }) => [name, new Tensor('float32', Float32Array.from(data), shape)]),
      ),
    )
    const outputs = Object.entries(results).map(([name, { dims, data }]) => ({
      name,
      datatype: 'FP32',
      shape: dims,
      data: Array.from(data as Float32Array),
    }))
    return c.json({ model_name: c.req.param('model'), model_version: '1', outputs })
  }
  const body = await c.req.arrayBuffer()
  const { inputs } = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 0, Number(jsonLength)))) as Message
  let at = Number(jsonLength)
  const feeds = inputs.map(({ name, shape, parameters }): [string, Tensor] => {
    const bytes = body.slice(at, at + (parameters?.binary_data_size ?? 0))
    at += bytes.byteLength
    return [name, new Tensor('float32', new Float32Array(bytes), shape)]
  })
  const results = Object.entries(await session.run(Object.fromEntries(feeds)))
  const outputs = results.map(([name, { dims, data }]) => ({
    name,
    datatype: 'FP32',
    shape: dims,
    parameters: { binary_data_size: (data as Float32Array).byteLength },
  }))
  const head = Buffer.from(JSON.stringify({ model_name: c.req.param('model'), model_version: '1', outputs }))
  const parts = results.map(([, { data }]) => Buffer.from((data as Float32Array).buffer))
  return c.body(Buffer.concat([head, ...parts]), 200, {
    'content-type': 'application/octet-stream',
    'inference-header-content-length': String(head.length),
  })
})

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }))
})
