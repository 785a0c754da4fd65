/** A receiver of webhooks on loopback, and a registry that may call it. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { CloudEvent } from '../../../runtime/contract/events.ts'
import { type Fixture, openFixture, sendJson } from '../fixture.ts'

export interface Received {
  headers: IncomingHttpHeaders
  body: string
}

export interface Receiver extends AsyncDisposable {
  url: string
  received: Received[]
  /** Ids of events, in the order in which they came. */
  ids(): number[]
}

/** @param answer - default: 204 */
export async function openReceiver(
  answer: (response: ServerResponse, request: Received) => void = (response) => response.writeHead(204).end(),
): Promise<Receiver> {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const each = { headers: request.headers, body }
    received.push(each)
    answer(response, each)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    ids: () => received.map(({ body }) => Number((JSON.parse(body) as CloudEvent).id)),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A registry that may call this machine. */
export async function openHooked(clock = { now: Date.parse('2026-11-24T10:00:00Z') }): Promise<Fixture> {
  return await openFixture({ now: () => clock.now, webhookNetworks: '127.0.0.0/8' })
}

export async function createHook(fixture: Fixture, name: string, url: string, events: string[]): Promise<string> {
  const answer = await sendJson(fixture, 'POST', '/api/v1/webhooks', { name, url, events })
  if (!answer.ok) throw new Error(`webhook refused: ${answer.status} ${await answer.text()}`)
  return ((await answer.json()) as { secret: string }).secret
}

/** As if each webhook had failed often enough to be paused once it has for long enough. */
export function failOften({ dataDir }: Fixture): void {
  using database = new DatabaseSync(join(dataDir, 'registry.db'))
  database.exec('UPDATE webhooks SET failures = 20 WHERE failures BETWEEN 1 AND 19')
}
