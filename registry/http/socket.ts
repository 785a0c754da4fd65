/**
 * Answers that go straight to the socket: those that come by the thousand, for which the platform's Response costs more than
 * the rest of the work, and large bodies, of which its streams would queue several pieces.
 */
import type { ServerResponse } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from 'hono'
import type { AppEnv } from './env.ts'
import { fixedHeaders } from './headers.ts'

type Headers = Readonly<Record<string, string>>

/** An answer without a body; by way of Hono where the app is called without a socket. */
export function answerBare(c: Context<AppEnv>, status: 304, headers: Headers): Response {
  const outgoing = c.env?.outgoing
  if (outgoing === undefined) return c.body(null, status, headers)
  outgoing.writeHead(status, { ...fixedHeaders(c), ...headers }).end()
  return RESPONSE_ALREADY_SENT
}

/**
 * An answer in pieces; by way of Hono where the app is called without a socket. While one piece is on its way the next is
 * asked for, never the one after. Where a piece fails the connection is broken off, and `failed` is told why.
 */
export async function answerPieces(
  c: Context<AppEnv>,
  status: 200 | 206,
  headers: Headers,
  pieces: AsyncIterable<Uint8Array>,
  failed: (thrown: unknown) => void,
): Promise<Response> {
  const outgoing = c.env?.outgoing
  // Without a connection of ours the stream itself has to say that it breaks off.
  if (outgoing === undefined) return c.body(ReadableStream.from(pieces), status, headers)
  outgoing.writeHead(status, { ...fixedHeaders(c), ...headers })
  try {
    await sendAll(outgoing, pieces)
  } catch (thrown) {
    failed(thrown)
    outgoing.destroy()
  }
  return RESPONSE_ALREADY_SENT
}

async function sendAll(outgoing: ServerResponse, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  let sent = Promise.resolve()
  for await (const piece of pieces) {
    await sent
    sent = send(outgoing, piece)
    // It is waited for above; until then its failure is nobody's.
    sent.catch(() => undefined)
  }
  await sent
  outgoing.end()
}

async function send(outgoing: ServerResponse, piece: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // A write to a connection that is gone may never be told.
  const close = () => reject(new Error('the client went away'))
  outgoing.once('close', close)
  outgoing.write(piece, (error) => (error ? reject(error) : resolve()))
  try {
    await promise
  } finally {
    outgoing.off('close', close)
  }
}
