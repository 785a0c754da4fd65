/** One crash: a registry in a child is killed at a step of a workload, started again here, and asked what it still knows. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRegistry } from '../../../registry/registry.ts'
import { bytesOf } from '../fixture.ts'
import type { FromChild, ToChild } from './child.ts'
import type { KillPoint } from './steps.ts'
import { checkFolder, newTold, Refused, type Send, type Told, workloadOf } from './workload.ts'

export interface Spare {
  child: ChildProcess
  loaded: Promise<unknown>
}

export interface Spares extends Disposable {
  take(): Spare
}

/** A child takes most of its time to load, so the next one is made while the one that was taken runs. */
export function openSpares(): Spares {
  let ahead: Spare | undefined
  return {
    take() {
      const taken = ahead ?? spawnSpare()
      ahead = spawnSpare()
      return taken
    },
    [Symbol.dispose]: () => void ahead?.child.kill('SIGKILL'),
  }
}

function spawnSpare(): Spare {
  const child = fork(new URL('./child.ts', import.meta.url), { stdio: 'inherit', execArgv: ['--no-warnings'] })
  return { child, loaded: messageOf(child) }
}

/** @returns how many steps the workload has in this seed */
export async function countSteps(spare: Spare, seed: number): Promise<number> {
  return await inFolder(async (dataDir) => {
    const { child } = spare
    const send = await openIn(spare, dataDir)
    assert.ok(send !== undefined)
    await workloadOf(seed).run(send, newTold())
    child.send({ count: true } satisfies ToChild)
    const { steps } = (await messageOf(child)) as { steps: number }
    await end(child)
    return steps
  })
}

/** @throws what is not as it must be, after the kill and the start that followed */
export async function crash(spare: Spare, seed: number, kill: KillPoint): Promise<void> {
  await inFolder(async (dataDir) => {
    const workload = workloadOf(seed)
    const told = newTold()
    const send = await openIn(spare, dataDir, kill)
    if (send !== undefined) await workload.run(send, told).catch((thrown) => demandGone(spare.child, thrown))
    await end(spare.child)
    await checkNextLife(dataDir, seed, told)
  })
}

async function checkNextLife(dataDir: string, seed: number, told: Told): Promise<void> {
  const registry = await openRegistry({ dataDir })
  const local: Send = async (method, path, body, headers = {}) =>
    await answerOf(await registry.app.request(path, { method, headers, ...(body && { body }) }))
  try {
    await workloadOf(seed).check(local, told)
    const json = { 'content-type': 'application/json' }
    assert.equal((await local('POST', '/api/v1/gc', bytesOf({}), json)).status, 200)
    checkFolder(dataDir)
  } finally {
    registry.drain()
    await registry.close()
  }
}

/**
 * One step fails, the registry lives on: what it then answers is an error and no acknowledgement, and after it everything
 * works, in this life and in the next.
 *
 * @throws what is not as it must be
 */
export async function failStep(spare: Spare, seed: number, step: number): Promise<void> {
  await inFolder(async (dataDir) => {
    const workload = workloadOf(seed)
    const told = newTold()
    const send = await openIn(spare, dataDir, { step, when: 'fail' })
    if (send !== undefined) {
      await workload.run(send, told).catch((thrown) => {
        if (!(thrown instanceof Refused)) throw thrown
      })
      assert.equal(spare.child.exitCode, null, 'a failed step ended the registry')
      // A seed may have one step fewer: it must not fail among the checks.
      spare.child.send({ disarm: true } satisfies ToChild)
      await messageOf(spare.child)
      await workload.check(send, told)
    }
    await end(spare.child)
    await checkNextLife(dataDir, seed, told)
  })
}

export async function inFolder<T>(use: (dataDir: string) => Promise<T>): Promise<T> {
  // In memory where there is such a folder: a killed process leaves the page cache as it is on any file system.
  const dataDir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'selvedge-crash-'))
  try {
    return await use(dataDir)
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** Undefined where it died before it listened. */
export async function openIn({ child, loaded }: Spare, dataDir: string, kill?: KillPoint): Promise<Send | undefined> {
  await loaded
  child.send({ open: { dataDir, kill } } satisfies ToChild)
  const message = await messageOf(child)
  if (message === undefined || !('url' in message)) return undefined
  return async (method, path, body, headers = {}) =>
    await answerOf(await fetch(new URL(path, message.url), { method, headers, ...(body && { body }) }))
}

async function answerOf(response: Response) {
  return {
    status: response.status,
    headers: response.headers,
    bytes: new Uint8Array(await response.arrayBuffer()),
  }
}

/** Undefined where the child died instead. */
async function messageOf(child: ChildProcess): Promise<FromChild | undefined> {
  const ending = new AbortController()
  const { signal } = ending
  try {
    return await Promise.race([
      once(child, 'message', { signal }).then(([message]) => message as FromChild),
      once(child, 'exit', { signal }).then(() => undefined),
    ])
  } finally {
    ending.abort()
  }
}

// A refusal is no crash: only a registry that is gone may end the workload early.
async function demandGone(child: ChildProcess, thrown: unknown): Promise<void> {
  if (thrown instanceof assert.AssertionError) throw thrown
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
