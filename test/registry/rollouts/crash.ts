/** One crash of a registry that moves a rollout: what hosts read around it, and what it is afterwards. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { openRegistry } from '../../../registry/registry.ts'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'
import type { Store } from '../../../registry/store/store.ts'
import type { Rollout } from '../../../runtime/contract/rollout.ts'
import { end, inFolder, openIn, type Spare } from '../crash/crash.ts'
import type { KillPoint } from '../crash/steps.ts'
import type { Send } from '../crash/workload.ts'
import { openServing, sendJson } from '../fixture.ts'

/** A data folder whose endpoint `e` has a rollout by 10 and 50 to 100 percent, a second each, which is paused. */
export async function openTemplate(): Promise<{ dataDir: string } & AsyncDisposable> {
  const fixture = await openServing()
  const body = { deployment: 'green', steps: [10, 50, 100], hold: '1s', minUnits: 0, guards: [] }
  const path = '/api/v1/endpoints/e/rollouts'
  const begun = await sendJson(fixture, 'POST', path, body, { 'if-match': '*' })
  assert.equal(begun.status, 201)
  const paused = await sendJson(fixture, 'PATCH', `${path}/1`, { state: 'paused' }, { 'if-match': '*' })
  assert.equal(paused.status, 200)
  const { dataDir } = fixture
  fixture.registry.drain()
  return { dataDir, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() }
}

/** The splits that may be seen, by the share of green: anything else is a blend. */
const splits: Readonly<Record<number, string>> = {
  10: '[["blue",0,900000],["green",900000,1000000]]',
  50: '[["blue",0,500000],["green",500000,1000000]]',
  100: '[["green",0,1000000]]',
}

/** What its history says in the end, once each. */
export const whole = [
  ['started', 10],
  ['paused', 10],
  ['advanced', 50],
  ['completed', 100],
]

interface Seen {
  revision: number
  ranges: string
}

/**
 * @returns how many plans were read
 * @throws what is not as it must be
 */
export async function crashRollout(template: string, spare: Spare, kill: KillPoint): Promise<number> {
  return await inFolder(async (dataDir) => {
    cpSync(template, dataDir, { recursive: true })
    const seen: Seen[] = []
    const send = await openIn(spare, dataDir, kill)
    if (send !== undefined) {
      // Signed anew after the start, which is a step, too.
      seen.push(await readPlan(send))
      resume(dataDir)
      await readUntilGone(spare, send, seen)
    }
    await end(spare.child)
    resume(dataDir)
    // Its clock is quick: what is left of the rollout takes no seconds.
    const at = Date.now()
    const registry = await openRegistry({ dataDir, now: () => at + 20 * (Date.now() - at) })
    const local: Send = async (method, path) => {
      const answer = await registry.app.request(path, { method })
      return { status: answer.status, headers: answer.headers, bytes: new Uint8Array(await answer.arrayBuffer()) }
    }
    try {
      await checkAfter(local, seen)
    } finally {
      registry.drain()
      await registry.close()
    }
    return seen.length
  })
}

/** The first and the last durable step of a rollout, counted from the start of the registry. */
export async function countRolloutSteps(template: string, spare: Spare): Promise<{ first: number; last: number }> {
  return await inFolder(async (dataDir) => {
    cpSync(template, dataDir, { recursive: true })
    const send = await openIn(spare, dataDir)
    assert.ok(send !== undefined)
    const count = async () => {
      spare.child.send({ count: true })
      const [{ steps }] = (await once(spare.child, 'message')) as [{ steps: number }]
      return steps
    }
    await readPlan(send)
    const started = await count()
    resume(dataDir)
    await completed(send)
    const last = await count()
    await end(spare.child)
    return { first: started + 1, last }
  })
}

/**
 * Two processes watch one database, and one of them is stopped for a while in the middle of it.
 *
 * @throws what is not as it must be
 */
export async function standStill(template: string, ms: number): Promise<void> {
  await inFolder(async (dataDir) => {
    cpSync(template, dataDir, { recursive: true })
    const file = join(dataDir, 'registry.db')
    const entry = new URL('./watch-child.ts', import.meta.url)
    const watchers = [1, 2].map(() => fork(entry, [file], { execArgv: ['--no-warnings'] }))
    const store = openSqliteStore(file)
    try {
      await Promise.all(watchers.map((child) => once(child, 'message')))
      resume(dataDir)
      // It may stand anywhere: between its decision and its write, too.
      await sleep(Math.random() * 1000)
      watchers[0]?.kill('SIGSTOP')
      await sleep(ms)
      watchers[0]?.kill('SIGCONT')
      while ((await store.rollouts.underWay()).length > 0) await sleep(50)
      assert.deepEqual(await actionsOf(store), whole)
      const events = await store.events.events({ after: 0, limit: 100 })
      const types = events.map(({ type }) => type).filter((type) => type.startsWith('rollout.'))
      assert.deepEqual(types, ['rollout.advanced', 'rollout.completed'])
    } finally {
      for (const child of watchers) child.kill('SIGKILL')
      await store.close()
    }
  })
}

export async function actionsOf(store: Store): Promise<[string, number][]> {
  return (await store.rollouts.history('1')).map(({ action, percent }) => [action, percent])
}

/** Resumes it by its row: it is moved while hosts read, however long the start took. */
export function resume(dataDir: string): void {
  const database = new DatabaseSync(join(dataDir, 'registry.db'))
  database.exec("PRAGMA busy_timeout = 5000; UPDATE rollouts SET state = 'running' WHERE state = 'paused'")
  database.close()
}

// Each host reads again and again; one whose answers went back in time, or were never a step of the rollout, saw a blend.
async function readUntilGone({ child }: Spare, send: Send, seen: Seen[]): Promise<void> {
  const isOver = () => child.exitCode !== null || child.signalCode !== null || seen.length >= 2000
  const read = async () => {
    let last = 0
    while (!isOver()) {
      const plan = await readPlan(send).catch(() => undefined)
      if (plan === undefined) continue
      assert.ok(plan.revision >= last, `revision ${plan.revision} after ${last}`)
      last = plan.revision
      seen.push(plan)
      if (plan.ranges === splits[100]) return
    }
  }
  await Promise.all(Array.from({ length: 4 }, read))
}

async function checkAfter(send: Send, seen: readonly Seen[]): Promise<void> {
  const byRevision = new Map<number, string>()
  const newest = Math.max(0, ...seen.map(({ revision }) => revision))
  const now = await readPlan(send)
  for (const { revision, ranges } of [...seen, now]) {
    assert.ok(Object.values(splits).includes(ranges), `a blend: ${ranges}`)
    assert.equal(byRevision.get(revision) ?? ranges, ranges, `two splits of revision ${revision}`)
    byRevision.set(revision, ranges)
  }
  assert.ok(now.revision >= newest, `revision ${now.revision} after ${newest} was read`)
  const { history, state } = await completed(send)
  assert.equal(state, 'completed')
  assert.deepEqual(
    history.map(({ action, percent }) => [action, percent]),
    whole,
  )
  for (const [revision, ranges] of byRevision) {
    const entry = history.find((each) => each.revision === revision)
    assert.equal(ranges, splits[entry?.percent ?? 0], `revision ${revision} is none of its history`)
  }
  const events = await send('GET', '/api/v1/events?endpoint=e')
  const { items } = JSON.parse(new TextDecoder().decode(events.bytes)) as { items: { type: string }[] }
  const told = items.map(({ type }) => type).filter((type) => type.startsWith('rollout.'))
  assert.deepEqual(told, ['rollout.advanced', 'rollout.completed'])
}

async function completed(send: Send): Promise<Rollout> {
  for (;;) {
    const { bytes } = await send('GET', '/api/v1/endpoints/e/rollouts/1')
    const found = JSON.parse(new TextDecoder().decode(bytes)) as Rollout
    if (found.state !== 'running') return found
    await sleep(50)
  }
}

async function readPlan(send: Send): Promise<Seen> {
  const { bytes } = await send('GET', '/api/v1/endpoints/e/plan')
  const [, payload = ''] = new TextDecoder().decode(bytes).split('.')
  const { revision, ranges } = JSON.parse(Buffer.from(payload, 'base64url').toString())
  return { revision, ranges: JSON.stringify(ranges) }
}
