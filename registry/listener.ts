/** The registry's TCP listener, with the limits that HTTP itself has to keep. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import { isLoopback } from './auth/authorize.ts'
import type { Registry } from './registry.ts'

export interface Listener {
  url: string
  /** Settles once every answer that was under way is sent, or after `graceMs`. */
  close(graceMs: number): Promise<void>
}

/**
 * @param port - 0 for any free one
 * @throws {@link SelvedgeError} `REFUSED_TO_START` for an address other than loopback while there is no token, and where
 * the address cannot be had
 */
export async function listen(registry: Registry, host: string, port: number): Promise<Listener> {
  const local = host === 'localhost' || isLoopback(host)
  if (!local && Object.keys(await registry.tokens()).length === 0) {
    throw new SelvedgeError(
      'REFUSED_TO_START',
      `${host} can be reached from elsewhere and no token exists: start on 127.0.0.1 and create an admin token first`,
    )
  }
  const server = createServer(
    // Uploads may take hours: deadlines are kept per route.
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: 0,
      // Node looks every 30 s by itself, and so would let a head drip for 40.
      connectionsCheckingInterval: 1000,
    },
    getRequestListener(registry.app.fetch, { overrideGlobalObjects: false }),
  )
  await bind(server, host, port)
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: (graceMs) => closeServer(server, graceMs),
  }
}

async function bind(server: Server, host: string, port: number): Promise<void> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
    throw new SelvedgeError('REFUSED_TO_START', `cannot listen on ${host}:${port} (${code})`, {}, { cause })
  }
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearTimeout(timer)
}
