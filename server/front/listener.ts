/** The scoring listener on Node: one HTTP server around the app, with its timeouts, its Host check and its drain. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { errorAnswer } from '../http-answer.ts'
import { isLoopback } from '../loopback.ts'
import { commonHeaders } from './headers.ts'

export interface Listener {
  /** Base address, without a slash at its end. */
  readonly url: string
  /** Takes nothing new, finishes what runs within `limits.drainMs`, then closes every connection. */
  close(): Promise<void>
}

// Callers that come in a rush wait in the kernel to be told 503, where Node's 511 would have them reset.
const backlog = 4096

/**
 * @param port - 0 takes a free one
 * @throws {@link SelvedgeError} `REFUSED_TO_START` where the address cannot be listened on
 */
export async function openListener(app: Hono, { host, port }: { host: string; port: number }): Promise<Listener> {
  const isOurs = hostCheck(host)
  // With its own Response in the place of Node's, it would answer HEAD a second time and print that.
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.jsonTimeoutMs,
      // Node looks at both only so often, by itself every 30 s.
      connectionsCheckingInterval: 1000,
      maxHeaderSize: limits.headerBytes,
    },
    (incoming, outgoing) => {
      if (isOurs(incoming)) void answer(incoming, outgoing)
      else refuseHost(outgoing)
    },
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'it is taken' : cause.message
      reject(new SelvedgeError('REFUSED_TO_START', `cannot listen on ${host}:${port}: ${why}`, {}, { cause }))
    })
    server.listen({ port, host, backlog }, resolve)
  })
  const { port: taken } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      // A kept-alive connection that was busy when close began would be waited for.
      const sweeper = setInterval(() => server.closeIdleConnections(), 20)
      const timer = setTimeout(() => server.closeAllConnections(), limits.drainMs)
      await closed
      clearInterval(sweeper)
      clearTimeout(timer)
    },
  }
}

// A page of a foreign name that resolves to this machine (DNS rebinding) must not reach a server that asks for no token.
function hostCheck(host: string): (incoming: IncomingMessage) => boolean {
  const names = new Set([host.toLowerCase(), ...(isLoopback(host) ? ['localhost', '127.0.0.1', '::1'] : [])])
  const anyName = host === '0.0.0.0' || host === '::'
  return ({ rawHeaders, headers }) => {
    let lines = 0
    for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === 'host') lines++
    const name = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(headers.host ?? '')
    if (lines !== 1 || name === null) return false
    return anyName || names.has((name[1] ?? name[2] ?? '').toLowerCase())
  }
}

function refuseHost(outgoing: ServerResponse): void {
  const error = new SelvedgeError('HOST_NOT_ALLOWED', 'this server is not called by that name')
  const { status, headers, body } = errorAnswer(error)
  outgoing.writeHead(status, { ...commonHeaders, ...headers, connection: 'close' }).end(body)
}
