/**
 * Counts the durable steps of a process (file calls and SQL statements that write) and ends it with SIGKILL at one of them:
 * before it, after it, or, for bytes that are written, halfway. Or lets that one fail. Put over Node's own modules, so that what is tested knows
 * nothing of it.
 */
import fs, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { DatabaseSync, StatementSync } from 'node:sqlite'

export interface KillPoint {
  /** From 1. */
  step: number
  /** `fail`: the process lives, and the step fails as a broken disk does. */
  when: 'before' | 'half' | 'after' | 'fail'
}

let point: KillPoint | undefined
let counted = 0

/** From now on steps are counted. */
export function armSteps(kill: KillPoint | undefined): void {
  point = kill
  counted = 0
}

export function countedSteps(): number {
  return counted
}

function die(): void {
  process.kill(process.pid, 'SIGKILL')
}

/** Whether this step is the one, after its "before". */
function begin(): boolean {
  counted++
  const hit = point?.step === counted
  if (hit && point?.when === 'before') die()
  if (hit && point?.when === 'fail') throw Object.assign(new Error('EIO: i/o error, injected'), { code: 'EIO' })
  return hit
}

function wrapAsync(target: object, name: string): void {
  const original = Reflect.get(target, name) as (...args: unknown[]) => Promise<unknown>
  Reflect.set(target, name, async function (this: unknown, ...args: unknown[]) {
    const hit = begin()
    const result = await original.apply(this, args)
    if (hit) die()
    return result
  })
}

function wrapWrite(handle: FileHandle): void {
  const prototype = Object.getPrototypeOf(handle)
  const original = prototype.write as (...args: unknown[]) => Promise<unknown>
  prototype.write = async function (
    this: unknown,
    bytes: Uint8Array,
    from = 0,
    length = bytes.length - from,
    at?: number,
  ) {
    const hit = begin()
    if (hit && point?.when === 'half') {
      await original.call(this, bytes, from, Math.floor(length / 2), at)
      die()
    }
    const result = await original.call(this, bytes, from, length, at)
    if (hit) die()
    return result
  }
  for (const name of ['sync', 'truncate']) wrapAsync(prototype, name)
}

function wrapSql(target: object, name: string, isStep: (self: StatementSync) => boolean): void {
  const original = Reflect.get(target, name) as (...args: unknown[]) => unknown
  Reflect.set(target, name, function (this: StatementSync, ...args: unknown[]) {
    if (!isStep(this)) return original.apply(this, args)
    const hit = begin()
    const result = original.apply(this, args)
    if (hit) die()
    return result
  })
}

const probe = await fs.open(process.execPath)
wrapWrite(probe)
await probe.close()
for (const name of ['rename', 'rm', 'mkdir', 'writeFile', 'link']) wrapAsync(fs, name)
syncBuiltinESMExports()
wrapSql(StatementSync.prototype, 'run', ({ sourceSQL }) => !/^\s*(begin|rollback|select)/i.test(sourceSQL))
wrapSql(DatabaseSync.prototype, 'exec', () => true)
