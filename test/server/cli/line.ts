/** A line between a client and a server of loopback that can be counted, cut and held. */
import { once } from 'node:events'
import { type AddressInfo, createServer, connect as open, type Socket } from 'node:net'

export interface Line extends AsyncDisposable {
  url: string
  /** Bytes that the client sent, heads of requests included. */
  upBytes: number
  /** Bytes that the server sent. */
  downBytes: number
  /** Breaks every connection each time when so many further bytes have gone that way, that many times. */
  cutEvery(bytes: number, way: 'up' | 'down', times: number): void
  /** Settles when so many further bytes have gone that way; from then on nothing goes until {@link Line.release}. */
  holdAfter(bytes: number, way: 'up' | 'down'): Promise<void>
  release(): void
  /** Breaks every connection now. */
  cut(): void
}

export async function openLine(target: string): Promise<Line> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const held = new Set<Socket>()
  let rule: { way: 'up' | 'down'; every: number; left: number; times: number; reached(): void } | undefined
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  const passed = (way: 'up' | 'down', bytes: number) => {
    if (way === 'up') line.upBytes += bytes
    else line.downBytes += bytes
    if (rule?.way !== way || rule.times === 0) return
    rule.left -= bytes
    if (rule.left > 0) return
    rule.left = rule.every
    rule.times -= 1
    rule.reached()
  }
  const pipe = (from: Socket, to: Socket, way: 'up' | 'down') => {
    sockets.add(from)
    from.on('data', (data) => {
      if (!to.write(data)) from.pause()
      passed(way, data.length)
    })
    to.on('drain', () => {
      if (!held.has(from)) from.resume()
    })
    from.on('error', () => to.destroy())
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
    from.on('end', () => to.end())
  }
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = open({ host: hostname, port: Number(port), allowHalfOpen: true })
    pipe(client, upstream, 'up')
    pipe(upstream, client, 'down')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')

  const line: Line = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    upBytes: 0,
    downBytes: 0,
    cutEvery(bytes, way, times) {
      rule = { way, every: bytes, left: bytes, times, reached: cut }
    },
    async holdAfter(bytes, way) {
      await new Promise<void>((resolve) => {
        const reached = () => {
          for (const socket of sockets) {
            held.add(socket)
            socket.pause()
          }
          resolve()
        }
        rule = { way, every: bytes, left: bytes, times: 1, reached }
      })
    },
    release() {
      for (const socket of held) socket.resume()
      held.clear()
    },
    cut,
    async [Symbol.asyncDispose]() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
  return line
}
