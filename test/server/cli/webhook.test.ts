/** `selvedge webhook`, against a registry. */
import { expect, test } from 'vitest'
import { listen } from '../../../registry/listener.ts'
import { openHooked } from '../../registry/webhooks/receiver.ts'
import { runCommand } from './command.ts'

test('makes a webhook, lists it without its secret and deletes it', async () => {
  await using fixture = await openHooked()
  const listener = await listen(fixture.registry, '127.0.0.1', 0)
  const env = { SELVEDGE_REGISTRY: listener.url }
  try {
    const url = 'http://127.0.0.1:8080/hook'
    const made = await runCommand(['webhook', 'create', 'ops', url, '--events', 'drift.detected, drift.cleared'], {
      env,
    })
    expect(made).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^whsec_[\w+/]{43}=\n/) })
    const listed = await runCommand(['webhook', 'list'], { env })
    const cells = listed.stdout.split('\n').map((line) => line.trim().split(/ {2,}/))
    expect(cells).toEqual([
      ['NAME', 'URL', 'EVENTS', 'STATE'],
      ['ops', url, 'drift.detected, drift.cleared', 'ok'],
      [''],
    ])
    expect(await runCommand(['webhook', 'delete', 'ops'], { env })).toMatchObject({ code: 0 })
    expect((await runCommand(['webhook', 'list'], { env })).stdout).toBe('No webhooks.\n')
    const refused = await runCommand(['webhook', 'create', 'ops', 'http://10.0.0.1/'], { env })
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/^INVALID_REQUEST: /) })
  } finally {
    fixture.registry.drain()
    await listener.close(0)
  }
})
