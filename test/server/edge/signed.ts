/** A registry made of one signed plan and its blobs, any of which may be wrong; model `a` gives y = a + 2b. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CompactSign, exportJWK, generateKeyPair } from 'jose'
import type { Digest } from '../../../runtime/contract/names.ts'
import type { Plan } from '../../../runtime/contract/plan.ts'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { digestOf, linearFiles } from '../../registry/fixture.ts'

type SigningKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey']

export interface SignedRegistry extends AsyncDisposable {
  url: string
  key: string
  /** The newest is last. */
  reports: TelemetryReport[]
  /** Digests that were asked for. */
  asked: string[]
  /** Bytes that are sent in place of those of their digest. */
  damaged: Map<string, Uint8Array<ArrayBuffer>>
  networkDigest: string
  /** Answers everything with 500 while true. */
  down: boolean
  /** Signs a change of the plan from now on. */
  change(change: Partial<Plan>, key?: SigningKey): Promise<void>
  /** The plan's only deployment with another size of its network. */
  sized(bytes: number): Plan['deployments']
}

export async function startSigned(): Promise<SignedRegistry> {
  const { privateKey, publicKey } = await generateKeyPair('Ed25519')
  const files = linearFiles()
  const blobs = new Map(Object.values(files).map((bytes) => [digestOf(bytes), bytes]))
  const digest = (path: string) => digestOf(files[path] ?? new Uint8Array(0)) as Digest
  const network = files['model.onnx'] ?? new Uint8Array(0)
  let jws = ''

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (registry.down) return void response.writeHead(500).end()
    if (pathname.endsWith('/plan')) return void response.end(jws)
    if (pathname === '/telemetry') {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        registry.reports.push(JSON.parse(Buffer.concat(parts).toString()))
        response.end('{"counted":true}')
      })
      return
    }
    const wanted = pathname.split('/').at(-1) ?? ''
    registry.asked.push(wanted)
    const bytes = registry.damaged.get(wanted) ?? blobs.get(wanted)
    if (bytes === undefined) response.writeHead(404).end()
    else response.end(bytes)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const sized = (size: number): Plan['deployments'] => [
    {
      name: 'blue',
      model: 'a',
      version: 1,
      manifest: digestOf('manifest') as Digest,
      description: digest('selvedge.json'),
      spec: digest('profile.json'),
      variants: [
        {
          id: 'fp32',
          providers: ['wasm'],
          files: [
            {
              path: 'model.onnx',
              digest: digest('model.onnx'),
              size,
              chunks: [digest('model.onnx').slice('sha256:'.length)],
            },
          ],
        },
      ],
    },
  ]
  const plan: Plan = {
    endpoint: 'e',
    revision: 1,
    issuedAt: new Date().toISOString(),
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    scheme: 'murmur3-ppm-1',
    salt: 'e:1',
    deployments: sized(network.length),
    ranges: [['blue', 0, 1_000_000]],
    runtime: { ort: '1.30.0', files: {} },
    blobs: `${url}/v2/`,
    telemetry: { url: `${url}/telemetry`, intervalMs: 100, sampleRate: 1 },
    nextKeys: [],
  }

  const registry: SignedRegistry = {
    url,
    key: `ed25519:${(await exportJWK(publicKey)).x}`,
    reports: [],
    asked: [],
    damaged: new Map(),
    networkDigest: digest('model.onnx'),
    down: false,
    async change(change, key = privateKey) {
      const text = new TextEncoder().encode(JSON.stringify({ ...plan, ...change }))
      jws = await new CompactSign(text).setProtectedHeader({ alg: 'Ed25519' }).sign(key)
    },
    sized,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  await registry.change({})
  return registry
}
