/** Entry of a scorer process. Its front starts it with one end of a socketpair as descriptor 3; it ends with that line. */
import { Socket } from 'node:net'
import type { ExecutionProvider } from '../runtime/contract/names.ts'
import { nodeProviders, openNodeSession } from '../runtime/providers/node.ts'
import { log } from './log.ts'
import type { Frame } from './protocol.ts'
import { openServing } from './scorer/serving.ts'
import { openWire } from './wire.ts'

const wanted = process.argv[2]?.split(',') as ExecutionProvider[] | undefined

const early: Frame[] = []
let receive = (frame: Frame): void => {
  early.push(frame)
}
const wire = openWire(
  new Socket({ fd: 3, readable: true, writable: true }),
  (frame) => receive(frame),
  // Nobody is left to answer to.
  () => process.exit(0),
)

const { present, absent } = await nodeProviders()
const providers = present.filter((provider) => wanted === undefined || wanted.includes(provider))
for (const provider of present)
  if (!providers.includes(provider)) absent[provider] = 'not among the providers asked for'
receive = openServing({ openSession: openNodeSession, providers, send: wire.send, log })
for (const frame of early) receive(frame)
wire.send('ready', 0, { present: providers, absent })
