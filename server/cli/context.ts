/** What every command starts from: its options, its servers, its output. */
import type { Command } from 'commander'
import type { Server } from './answers.ts'
import { type Client, openClient } from './client.ts'
import { type Output, openOutput } from './output.ts'
import { parseSettings } from './settings.ts'

export interface Context<Options> {
  options: Options
  output: Output
  registry: Server
  scoring: Server
  client: Client
}

/** @throws SelvedgeError `USAGE` where the environment names no http address */
export function openContext<Options = object>(command: Command): Context<Options> {
  const { json = false, ...options } = command.optsWithGlobals<{ json?: boolean }>()
  const { registry, scoring, token } = parseSettings(process.env)
  const server: Server = { what: 'registry', base: registry, token }
  return {
    options: options as Options,
    output: openOutput(json),
    registry: server,
    scoring: { what: 'scoring server', base: scoring, token },
    client: openClient(server),
  }
}
