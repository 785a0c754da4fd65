import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { runCommand } from './command.ts'

const address = `http://127.0.0.1:${await freePort()}`
const nowhere = { SELVEDGE_REGISTRY: address, SELVEDGE_SCORING: address }

describe('selvedge, exit codes', () => {
  test('is 0 for help, which lists every command', async () => {
    const { code, stdout, stderr } = await runCommand(['--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const commands = ['up', 'registry', 'serve', 'push', 'baseline', 'pull', 'models', 'show']
    const traffic = ['alias', 'deploy', 'traffic', 'assignment', 'rollout', 'rollback', 'experiment']
    const others = [...traffic, 'score', 'status', 'why', 'report', 'token', 'webhook', 'backup', 'restore']
    expect([...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name)).toEqual([...commands, ...others, 'help'])
  })

  test.each(['up', 'serve'])('%s --help says what callers need off loopback', async (command) => {
    const { code, stdout } = await runCommand([command, '--help'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('SELVEDGE_CALLER_TOKENS') })
  })

  test.each([
    [['nope'], "unknown command 'nope'"],
    [['deploy', 'housing/green'], "required option '--model"],
    [['deploy', 'housing', '--model', 'housing'], 'Want <endpoint>/<deployment>'],
    [['traffic', 'housing', 'blue=x'], 'Want <deployment>=<percent>'],
    [['token', 'create', '--role', 'root'], 'Allowed choices are page, reader, writer, operator, admin'],
    [['push', 'housing', '/nonexistent.onnx'], 'is not there or cannot be read'],
    [['push', 'housing', 'model.onnx', '--outcome', 'y'], '--baseline, which is missing'],
    [['up', '--registry-port', '70000'], 'Want a port from 0 to 65535'],
    [['status', '--unknown'], "unknown option '--unknown'"],
  ])('is 2 for %j', async (args, why) => {
    const { code, stdout, stderr } = await runCommand(args, { env: nowhere })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^USAGE: .*\n→ .*\n$/)
    expect(stderr).toContain(why)
  })

  test('is 2 where SELVEDGE_REGISTRY is no address, and the address is not repeated', async () => {
    const { code, stderr } = await runCommand(['status'], { env: { SELVEDGE_REGISTRY: 'http://user:pass@host/' } })
    expect(code).toBe(2)
    expect(stderr).not.toContain('pass@')
  })
})

describe('selvedge without a registry', () => {
  test.each([[['status']], [['traffic', 'housing']], [['token', 'list']], [['deploy', 'a/b', '--model', 'm']]])(
    '%j says REGISTRY_UNREACHABLE, what to do, and no stack',
    async (args) => {
      const { code, stdout, stderr } = await runCommand(args, { env: nowhere })
      expect({ code, stdout, stderr }).toEqual({
        code: 1,
        stdout: '',
        stderr:
          `REGISTRY_UNREACHABLE: no registry at ${address}/: ECONNREFUSED\n` +
          '→ Check the address and that `selvedge registry` or `up` runs there.\n',
      })
    },
  )

  test('score says SCORING_UNREACHABLE', async () => {
    const { code, stderr } = await runCommand(['score', 'housing', '-'], { env: nowhere, stdin: '[]' })
    expect(code).toBe(1)
    expect(stderr).toContain(`SCORING_UNREACHABLE: no scoring server at ${address}/`)
  })

  test('writes an error as one JSON object with --json', async () => {
    const { code, stdout, stderr } = await runCommand(['status', '--json'], { env: nowhere })
    expect({ code, stdout, error: JSON.parse(stderr) }).toEqual({
      code: 1,
      stdout: '',
      error: {
        error: {
          code: 'REGISTRY_UNREACHABLE',
          message: `no registry at ${address}/: ECONNREFUSED`,
          next: 'Check the address and that `selvedge registry` or `up` runs there.',
        },
      },
    })
  })

  test('says that what answers there is no registry', async () => {
    const server = createServer((_, response) => response.end('<html>a proxy</html>')).listen(0, '127.0.0.1')
    try {
      await once(server, 'listening')
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const { code, stderr } = await runCommand(['status'], { env: { ...nowhere, SELVEDGE_REGISTRY: base } })
      expect(code).toBe(1)
      expect(stderr).toContain(`REGISTRY_UNREACHABLE: no registry at ${base}/: its answer is no JSON`)
    } finally {
      server.close()
    }
  })
})

/** A port where nothing listens: it was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
