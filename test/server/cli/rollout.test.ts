/** `selvedge rollout` and `selvedge rollback` against a registry. */
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { listen } from '../../../registry/listener.ts'
import type { Rollout } from '../../../runtime/contract/rollout.ts'
import { collectGuard } from '../../../server/cli/rollout.ts'
import { began, openClocked, read, report, times, until } from '../../registry/rollouts/fixture.ts'
import { runCommand, startCommand } from './command.ts'

async function open(clock = { now: began }) {
  const fixture = await openClocked(clock)
  const listener = await listen(fixture.registry, '127.0.0.1', 0)
  const env = { SELVEDGE_REGISTRY: listener.url }
  return {
    fixture,
    env,
    run: (...args: string[]) => runCommand(args, { env }),
    async [Symbol.asyncDispose]() {
      await listener.close(0)
      await fixture[Symbol.asyncDispose]()
    },
  }
}

describe('selvedge rollout', () => {
  test('follows a rollout to its end, and `selvedge rollback` goes back in one command', async () => {
    const clock = { now: began }
    await using registry = await open(clock)
    const following = registry.run(
      'rollout',
      'e/green',
      '--steps',
      '10,100',
      '--hold',
      '1m',
      '--guard',
      'none',
      '--min-units',
      '0',
    )
    await until(registry.fixture, ({ now }) => now !== undefined)
    clock.now += 60_000
    const { code, stdout, stderr } = await following
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('10:00:00  started with 10 %\n')
    expect(stderr).toContain('10:01:00  completed with 100 %\n')
    expect(stdout).toContain('rollout 1 of e/green: completed, 100 % of 10, 100 %')
    const back = await registry.run('rollback', 'e')
    expect(back, back.stderr).toMatchObject({ code: 0, stdout: expect.stringMatching(/^e\/blue +100 %$/m) })
  })

  test('ends with 1 where it is taken back, and shows why', async () => {
    const clock = { now: began }
    await using registry = await open(clock)
    const command = ['rollout', 'e/green', '--steps', '10,100', '--hold', '1m', '--guard', 'errors=0.001']
    const following = registry.run(...command)
    const { history } = await until(registry.fixture, ({ now }) => now !== undefined).catch(() =>
      read(registry.fixture),
    )
    clock.now += 3 * 60_000
    await report(registry.fixture, '2026-11-24T10:01:00Z', history[0]?.revision ?? 0, [
      ...times(60, { deployment: 'green', answered: 6, failed: 4 }),
      ...times(300, { deployment: 'blue', answered: 10 }),
    ])
    const { code, stdout, stderr } = await following
    expect(code, stderr).toBe(1)
    expect(stderr).toContain('too small to promote')
    expect(stderr).toContain('ROLLOUT_STOPPED: e/green was reverted, broken: error_rate')
    expect(stdout).toMatch(/^error_rate +worse +\+0\.4 +\+0\.\d+ and \+0\.\d+ +0\.001 +errors; 60 against 300 units$/m)
  })

  test('begins one without following, shows, pauses, resumes and aborts it', async () => {
    await using registry = await open()
    const plain = ['--steps', '10,100', '--hold', '1h', '--guard', 'none', '--detach', '--json']
    const begun = await registry.run('rollout', 'e/green', ...plain)
    expect(begun, begun.stderr).toMatchObject({ code: 0 })
    expect(JSON.parse(begun.stdout)).toMatchObject({ id: '1', state: 'running', percent: 10, guards: [] })
    for (const [flag, state] of [
      ['--pause', 'paused'],
      ['--resume', 'running'],
      ['--abort', 'aborted'],
    ] as const) {
      const { stdout } = await registry.run('rollout', 'e', flag, '--why', 'lunch', '--json')
      expect((JSON.parse(stdout) as Rollout).state).toBe(state)
    }
    expect((await registry.run('rollout', 'e')).stdout).toMatch(/aborted, back to 0 %: lunch$/m)
    expect(await registry.run('rollout', 'e', '--resume')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('PRECONDITION_FAILED'),
    })
  })

  test('that is interrupted says that the rollout goes on, and it does', async () => {
    await using registry = await open()
    const child = startCommand(['rollout', 'e/green', '--hold', '1h', '--guard', 'none'], registry.env)
    const ended = once(child, 'exit')
    let text = ''
    child.stderr?.on('data', (chunk) => {
      text += chunk
      if (text.includes('started with 5 %') && child.exitCode === null) child.kill('SIGINT')
    })
    expect(await ended).toEqual([null, 'SIGINT'])
    expect(text).toContain('rollout 1 goes on in the registry: selvedge rollout e')
    expect((await read(registry.fixture)).state).toBe('running')
  })

  test('refuses what cannot be meant, as usage', async () => {
    const env = { SELVEDGE_REGISTRY: 'http://127.0.0.1:1' }
    for (const args of [
      ['rollout', 'e/green/x'],
      ['rollout', 'e/green', '--steps', '5,ten'],
      ['rollout', 'e/green', '--hold', '10'],
      ['rollout', 'e/green', '--guard', 'speed'],
      ['rollout', 'e/green', '--guard', 'errors=2'],
      ['rollout', 'e', '--pause', '--abort'],
    ]) {
      expect(await runCommand(args, { env }), args.join(' ')).toMatchObject({ code: 2 })
    }
  })
})

test('guards are named as people call them, with a limit or the default', () => {
  const guards = [
    'errors',
    'latency=1.5',
    'ratio',
    'drift=0.3',
    'parity',
    'outcome:accepted=0.02',
    'outcome:wait:lower=3',
  ]
  expect(guards.reduce(collectGuardOf, [])).toEqual([
    { metric: 'error_rate', margin: 0.01 },
    { metric: 'latency_p95', ratio: 1.5 },
    { metric: 'sample_ratio', alpha: 0.001 },
    { metric: 'drift', limit: 0.3 },
    { metric: 'parity', margin: 0.01 },
    { metric: 'outcome', name: 'accepted', margin: 0.02, better: 'higher' },
    { metric: 'outcome', name: 'wait', margin: 3, better: 'lower' },
  ])
  expect(collectGuard('none')).toEqual([])
})

const collectGuardOf = (before: ReturnType<typeof collectGuard>, text: string) => collectGuard(text, before)
