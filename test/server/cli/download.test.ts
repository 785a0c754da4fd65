import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { downloadBlob } from '../../../server/cli/download.ts'
import { openLine } from './line.ts'

const MiB = 1024 ** 2
const bytes = randomBytes(10 * MiB + 12_345)
const content = { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length }

describe('fetching a blob', () => {
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'selvedge-download-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  const fetchBlob = (url: string, { signal = AbortSignal.timeout(60_000), moved = (_: number) => undefined } = {}) =>
    downloadBlob({ what: 'registry', base: url }, 'm', content, join(folder, 'sub/weights.bin'), { signal, moved })
  const names = () => readdir(join(folder, 'sub'))
  const fetched = () => readFile(join(folder, 'sub/weights.bin'))

  test('goes on after each break of the line, and asks for no byte that is there', async () => {
    const asked: (string | undefined)[] = []
    await using server = await serve((request, response) => {
      asked.push(request.headers.range)
      giveRange(bytes)(request, response)
    })
    await using line = await openLine(server.url)
    line.cutEvery(4 * MiB, 'down', 2)
    await fetchBlob(line.url)
    expect((await fetched()).equals(bytes)).toBe(true)
    expect(await names()).toEqual(['weights.bin'])
    expect(asked).toHaveLength(3)
    const [first, ...starts] = asked.map((range) =>
      range === undefined ? 0 : Number(/^bytes=(\d+)-$/.exec(range)?.[1]),
    )
    expect(first).toBe(0)
    expect(starts).toEqual(starts.toSorted((a, b) => a - b))
    expect(Math.min(...starts)).toBeGreaterThan(2 * MiB)
  })

  test('goes on in the next run with what the one before left', async () => {
    await using server = await serve(giveRange(bytes))
    await using line = await openLine(server.url)
    const stop = new AbortController()
    const moved = (place: number) => {
      if (place > 3 * MiB) stop.abort()
      return undefined
    }
    await expect(fetchBlob(line.url, { signal: stop.signal, moved })).rejects.toThrow()
    const [part = ''] = await names()
    expect(part).toBe(`.weights.bin.${content.digest.slice(7, 19)}.part`)
    const { size } = await stat(join(folder, 'sub', part))
    expect(size).toBeGreaterThan(3 * MiB)
    expect(await fetchBlob(line.url)).toBe(bytes.length - size)
    expect((await fetched()).equals(bytes)).toBe(true)
  })

  test('begins anew where the server gives the whole in place of a range', async () => {
    await using server = await serve((_, response) => response.end(bytes))
    await using line = await openLine(server.url)
    line.cutEvery(4 * MiB, 'down', 1)
    await fetchBlob(line.url)
    expect((await fetched()).equals(bytes)).toBe(true)
  })

  test('BL-01: bytes that are not those of the digest become no file', async () => {
    const wrong = Buffer.from(bytes)
    wrong[5 * MiB] = (wrong[5 * MiB] ?? 0) ^ 1
    await using server = await serve(giveRange(wrong))
    await expect(fetchBlob(server.url)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
    expect(await names()).toEqual([])
  })

  test('a part that was spoiled meanwhile is thrown away', async () => {
    await using server = await serve(giveRange(bytes))
    await fetchBlob(server.url)
    await rm(join(folder, 'sub/weights.bin'))
    await writeFile(join(folder, 'sub', `.weights.bin.${content.digest.slice(7, 19)}.part`), 'other bytes')
    await expect(fetchBlob(server.url)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
    await fetchBlob(server.url)
    expect((await fetched()).equals(bytes)).toBe(true)
  })
})

interface Served extends AsyncDisposable {
  url: string
}

async function serve(listener: RequestListener): Promise<Served> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function giveRange(all: Uint8Array): RequestListener {
  return (request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': all.length - start })
    response.end(all.subarray(start))
  }
}
