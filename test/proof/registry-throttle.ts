/**
 * Proof of a careless network: 300 MB over a line of 200 kB/s that is cut once in the middle arrive whole, and of what had
 * arrived nothing is sent again: `npm run proof`; what it printed lies beside it. `--megabytes` makes it shorter.
 */
import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, connect as open, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { listen } from '../../registry/listener.ts'
import { openRegistry } from '../../registry/registry.ts'
import { uploadBlob } from '../../server/cli/upload.ts'
import { openUploadMemory } from '../../server/cli/upload-memory.ts'
import { describeFile } from '../../server/cli/version/source.ts'
import { openLine } from '../server/cli/line.ts'

const { values } = parseArgs({ options: { megabytes: { type: 'string', default: '300' } } })
const size = Number(values.megabytes) * 1_000_000
const bytesPerSecond = 200_000
const pieceBytes = 10_000

/** A line to the port that carries so many bytes a second up, whatever its client offers. */
async function openThrottle(port: number): Promise<{ url: string; close(): void }> {
  const sockets = new Set<Socket>()
  async function carry(from: Socket, to: Socket): Promise<void> {
    let next = performance.now()
    for await (const data of from) {
      for (let at = 0; at < data.length; at += pieceBytes) {
        const piece = data.subarray(at, at + pieceBytes)
        next = Math.max(next, performance.now()) + (piece.length / bytesPerSecond) * 1000
        await wait(next - performance.now())
        to.write(piece)
      }
    }
    to.end()
  }
  const server = createServer({ highWaterMark: pieceBytes }, (client) => {
    const upstream = open({ host: '127.0.0.1', port })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
    // A line that is cut ends the carrying: the sender finds out by itself.
    carry(client, upstream).catch(() => upstream.destroy())
    upstream.pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return {
    url: `http://127.0.0.1:${address.port}/`,
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

const folder = mkdtempSync(join(tmpdir(), 'selvedge-throttle-'))
const registry = await openRegistry({ dataDir: join(folder, 'data') })
const listener = await listen(registry, '127.0.0.1', 0)
const throttle = await openThrottle(Number(new URL(listener.url).port))
try {
  await using line = await openLine(throttle.url)
  const file = join(folder, 'weights.bin')
  writeFileSync(file, randomFillSync(new Uint8Array(size)))
  const blob = await describeFile(file)
  line.cutEvery(Math.floor(size / 2), 'up', 1)
  const began = performance.now()
  const memory = openUploadMemory(listener.url, 'm', join(folder, 'memory'))
  const signal = AbortSignal.timeout(3_600_000)
  await uploadBlob({ what: 'registry', base: line.url }, 'm', blob, { memory, moved: () => undefined, signal })
  const seconds = (performance.now() - began) / 1000
  const answer = await fetch(`${listener.url}/v2/m/blobs/${blob.digest}`)
  const digest = `sha256:${createHash('sha256')
    .update(await answer.bytes())
    .digest('hex')}`
  assert.equal(digest, blob.digest)
  const again = line.upBytes - size
  assert.ok(again < 2 * 4 * 1024 ** 2, `${again} bytes were sent twice`)
  const mega = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
  console.log(
    `${mega(size)} at ${bytesPerSecond / 1000} kB/s, cut once at the half: arrived whole after ${seconds.toFixed(0)} s`,
  )
  console.log(`sent ${mega(line.upBytes)}: ${mega(again)} more than the file, heads of requests included`)
} finally {
  throttle.close()
  registry.drain()
  await listener.close(0)
  await registry.close()
  rmSync(folder, { recursive: true, force: true })
}
