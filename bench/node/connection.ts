/**
 * HTTP/1.1 over one bare socket, one request at a time: a client that costs a fraction of what the servers cost that it
 * measures.
 */
import { once } from 'node:events'
import { connect } from 'node:net'

export interface Connection {
  /** The whole answer as text. */
  ask(request: string): Promise<string>
  close(): void
}

export async function openConnection(base: string): Promise<Connection> {
  const { hostname, port } = new URL(base)
  const socket = connect(Number(port), hostname).setNoDelay().setEncoding('latin1')
  await once(socket, 'connect')
  let received = ''
  let waiting: PromiseWithResolvers<string> | undefined
  socket.on('data', (text: string) => {
    received += text
    if (!isWhole(received)) return
    const answer = received
    received = ''
    waiting?.resolve(answer)
  })
  for (const event of ['error', 'close'] as const) {
    socket.on(event, () => waiting?.reject(new Error(`the connection to ${base} ended`)))
  }
  return {
    ask(request) {
      waiting = Promise.withResolvers<string>()
      socket.write(request)
      return waiting.promise
    },
    close() {
      waiting?.promise.catch(() => undefined)
      socket.destroy()
    },
  }
}

/** @param base - address of the server; plans are signed for the name by which it is called */
export function requestText(
  base: string,
  method: string,
  path: string,
  headers: readonly string[] = [],
  body = '',
): string {
  const length = body === '' ? [] : [`content-length: ${Buffer.byteLength(body)}`]
  return [`${method} ${path} HTTP/1.1`, `host: ${new URL(base).host}`, ...headers, ...length, '', body].join('\r\n')
}

export function statusOf(answer: string): number {
  return Number(answer.slice(9, 12))
}

function isWhole(text: string): boolean {
  const head = text.indexOf('\r\n\r\n')
  if (head < 0) return false
  if (statusOf(text) === 304) return true
  const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1]
  return length === undefined ? text.endsWith('\r\n0\r\n\r\n') : text.length === head + 4 + Number(length)
}
