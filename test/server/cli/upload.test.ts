import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Listener, listen } from '../../../registry/listener.ts'
import { openRegistry, type Registry } from '../../../registry/registry.ts'
import type { Server } from '../../../server/cli/answers.ts'
import type { Blob } from '../../../server/cli/oci.ts'
import { uploadBlob } from '../../../server/cli/upload.ts'
import { openUploadMemory } from '../../../server/cli/upload-memory.ts'
import { describeFile } from '../../../server/cli/version/source.ts'
import { type Line, openLine } from './line.ts'

const MiB = 1024 ** 2
const chunk = 4 * MiB

describe('sending a blob', () => {
  let folder: string
  let registry: Registry
  let listener: Listener
  let blob: Blob
  let file: string
  let memoryFolder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'selvedge-upload-'))
    registry = await openRegistry({ dataDir: join(folder, 'data') })
    listener = await listen(registry, '127.0.0.1', 0)
  })
  afterAll(async () => {
    registry.drain()
    await listener.close(0)
    await registry.close()
    await rm(folder, { recursive: true })
  })
  beforeEach(async () => {
    memoryFolder = await mkdtemp(join(folder, 'memory-'))
    file = join(folder, 'weights.bin')
    await writeFile(file, randomBytes(18 * MiB + 12_345))
    blob = await describeFile(file)
  })

  const send = async (line: Line, { signal = AbortSignal.timeout(60_000), moved = (_: number) => undefined } = {}) => {
    const server: Server = { what: 'registry', base: line.url }
    const memory = openUploadMemory(listener.url, 'm', memoryFolder)
    return await uploadBlob(server, 'm', blob, { memory, moved, signal })
  }
  const stored = async () => {
    const response = await fetch(`${listener.url}/v2/m/blobs/${blob.digest}`)
    const hash = createHash('sha256').update(await response.bytes())
    return `sha256:${hash.digest('hex')}`
  }

  test('UP-05: goes on after each break of the line, and sends no part that had arrived', async () => {
    await using line = await openLine(listener.url)
    line.cutEvery(7 * MiB, 'up', 2)
    expect(await send(line)).toBe(0)
    expect(await stored()).toBe(blob.digest)
    // A break costs the part that was under way.
    expect(line.upBytes).toBeLessThan(blob.size + 2 * chunk + 64 * 1024)
  }, 60_000)

  test('goes on in the next run where the bytes of the registry end', async () => {
    await using line = await openLine(listener.url)
    const stop = new AbortController()
    const held = line.holdAfter(10 * MiB, 'up')
    const first = send(line, { signal: stop.signal })
    await held
    stop.abort()
    await expect(first).rejects.toThrow()
    line.cut()
    const before = line.upBytes
    expect(await readdir(memoryFolder)).toHaveLength(1)

    expect(await send(line)).toBe(2 * chunk)
    // The rest, and a part once more where the registry had not yet seen that the first run is gone.
    expect(line.upBytes - before).toBeLessThan(blob.size - chunk + 64 * 1024)
    expect(await stored()).toBe(blob.digest)
    expect(await readdir(memoryFolder)).toEqual([])
  }, 60_000)

  test('ends an upload whose bytes are all there', async () => {
    await using line = await openLine(listener.url)
    const started = await fetch(`${line.url}v2/m/blobs/uploads/`, { method: 'POST' })
    const location = new URL(started.headers.get('location') ?? '', line.url).href
    expect((await fetch(location, { method: 'PATCH', body: await readFile(file) })).status).toBe(202)
    await openUploadMemory(listener.url, 'm', memoryFolder).keep(blob.digest, location)
    const before = line.upBytes
    expect(await send(line)).toBe(blob.size)
    expect(line.upBytes - before).toBeLessThan(64 * 1024)
    expect(await stored()).toBe(blob.digest)
  })

  test('goes on after the registry was restarted', async () => {
    const options = { dataDir: join(folder, 'restarted') }
    const first = await openRegistry(options)
    const firstListener = await listen(first, '127.0.0.1', 0)
    await using line = await openLine(firstListener.url)
    const held = line.holdAfter(10 * MiB, 'up')
    const sending = send(line)
    await held
    first.drain()
    line.cut()
    await firstListener.close(0)
    await first.close()
    const second = await openRegistry(options)
    const secondListener = await listen(second, '127.0.0.1', Number(new URL(firstListener.url).port))
    try {
      await sending
      expect((await fetch(`${line.url}v2/m/blobs/${blob.digest}`, { method: 'HEAD' })).status).toBe(200)
      expect(line.upBytes).toBeLessThan(blob.size + chunk + 64 * 1024)
    } finally {
      second.drain()
      await secondListener.close(0)
      await second.close()
    }
  }, 60_000)

  test('sends nothing again where only the last answer was lost', async () => {
    const methods: (string | undefined)[] = []
    const proxy = createServer((asked, response) => {
      methods.push(asked.method)
      const { method, headers } = asked
      const forwarded = request(`${listener.url}${asked.url}`, { method, headers }, (answer) => {
        if (method === 'PUT') asked.socket.destroy()
        else answer.pipe(response.writeHead(answer.statusCode ?? 500, answer.headers))
      })
      asked.pipe(forwarded)
    }).listen(0, '127.0.0.1')
    try {
      await once(proxy, 'listening')
      const base = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`
      const memory = openUploadMemory(base, 'm', memoryFolder)
      const signal = AbortSignal.timeout(60_000)
      await uploadBlob({ what: 'registry', base }, 'm', blob, { memory, moved: () => undefined, signal })
      expect(methods).toEqual(['POST', 'PATCH', 'PATCH', 'PATCH', 'PATCH', 'PUT', 'GET', 'HEAD'])
    } finally {
      proxy.closeAllConnections()
      proxy.close()
    }
  })

  test('begins anew where the registry knows the upload no more', async () => {
    await using line = await openLine(listener.url)
    const memory = openUploadMemory(listener.url, 'm', memoryFolder)
    await memory.keep(blob.digest, `${line.url}v2/m/blobs/uploads/00000000-0000-4000-8000-000000000000`)
    expect(await send(line)).toBe(0)
    expect(await stored()).toBe(blob.digest)
    expect(await readdir(memoryFolder)).toEqual([])
  })

  test('says how far it is, and never more than there is', async () => {
    await using line = await openLine(listener.url)
    const places: number[] = []
    await send(line, {
      moved: (bytes) => {
        places.push(bytes)
        return undefined
      },
    })
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    expect(Math.max(...places)).toBe(blob.size)
  })

  test('of a file that became shorter is refused, and nothing is stored', async () => {
    await using line = await openLine(listener.url)
    await truncate(file, 6 * MiB)
    await expect(send(line)).rejects.toMatchObject({
      code: 'USAGE',
      message: '"weights.bin" became shorter while it was sent',
    })
    expect((await fetch(`${listener.url}/v2/m/blobs/${blob.digest}`)).status).toBe(404)
  })

  test('of a file that was changed is refused by its digest', async () => {
    await using line = await openLine(listener.url)
    await writeFile(file, randomBytes(blob.size))
    await expect(send(line)).rejects.toMatchObject({ code: 'DIGEST_INVALID' })
  })
})
