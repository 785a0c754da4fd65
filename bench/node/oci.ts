/** A plain client of OCI Distribution 1.1, the same for every registry: it keeps connections and checks every status. */
import { createCipheriv, createHash } from 'node:crypto'
import { once } from 'node:events'
import { Agent, type IncomingHttpHeaders, request } from 'node:http'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

export interface Oci {
  /** In one PUT, or as docker sends it: all of it in a PATCH, and an empty PUT. */
  pushBlob(repository: string, bytes: Buffer, digest: string, way?: 'put' | 'patch'): Promise<void>
  putManifest(repository: string, reference: string, manifest: Buffer): Promise<void>
  /** Reads a blob or a manifest and keeps none of it; its length. */
  pull(path: string): Promise<number>
  read(path: string): Promise<Buffer>
  /** @throws Error for another status than `want` */
  send(method: string, path: string, want: number, body?: Buffer, headers?: Record<string, string>): Promise<Answer>
  close(): void
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json'

export function openOci(base: string, connections: number): Oci {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })

  async function call(method: string, path: string, body?: Buffer, headers: Record<string, string> = {}) {
    const asked = request(new URL(path, base), {
      agent,
      method,
      headers: { 'content-length': body?.length ?? 0, accept: manifestType, ...headers },
    })
    asked.end(body)
    const [answer] = await once(asked, 'response')
    return answer
  }

  async function send(method: string, path: string, want: number, body?: Buffer, headers?: Record<string, string>) {
    const answer = await call(method, path, body, headers)
    const text = Buffer.concat(await answer.toArray())
    if (answer.statusCode !== want) throw new Error(`${method} ${path}: ${answer.statusCode} ${text.subarray(0, 300)}`)
    return { status: answer.statusCode, headers: answer.headers, body: text }
  }

  return {
    send,
    async pushBlob(repository, bytes, digest, way = 'put') {
      const opened = await send('POST', `/v2/${repository}/blobs/uploads/`, 202)
      let location = locationOf(opened)
      const type = { 'content-type': 'application/octet-stream' }
      if (way === 'patch') location = locationOf(await send('PATCH', location, 202, bytes, type))
      const last = new URL(location, base)
      last.searchParams.set('digest', digest)
      await send('PUT', last.href, 201, way === 'patch' ? undefined : bytes, type)
    },
    async putManifest(repository, reference, manifest) {
      await send('PUT', `/v2/${repository}/manifests/${reference}`, 201, manifest, { 'content-type': manifestType })
    },
    async pull(path) {
      const answer = await call('GET', path)
      if (answer.statusCode !== 200) throw new Error(`GET ${path}: ${answer.statusCode}`)
      let length = 0
      answer.on('data', (part: Buffer) => {
        length += part.length
      })
      await once(answer, 'end')
      return length
    },
    read: async (path) => (await send('GET', path, 200)).body,
    close: () => agent.destroy(),
  }
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Bytes that do not compress, others for each seed. */
export function noise(length: number, seed: number): Buffer {
  const key = Buffer.alloc(16)
  key.writeUInt32LE(seed)
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}

function locationOf({ headers }: Answer): string {
  if (headers.location === undefined) throw new Error('an upload has no location')
  return headers.location
}
