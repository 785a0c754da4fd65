/** What the system is asked to do before a push is acknowledged, seen from outside by strace. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { descendants } from '../server/cli/command.ts'
import { bytesOf, digestOf } from './fixture.ts'

const entry = new URL('../../registry/main.ts', import.meta.url).pathname
const calls = 'fsync,fdatasync,rename,renameat,renameat2,write,writev,sendto'

function canTrace(): boolean {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe.skipIf(!canTrace())('F-01 before a blob is acknowledged', () => {
  let folder: string
  let strace: ChildProcess
  let url: string

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'selvedge-durability-'))
    const registry = [process.execPath, entry, '--data', join(folder, 'data'), '--port', '0']
    strace = spawn(
      'strace',
      ['-f', '-y', '-e', `trace=${calls}`, '-s', '40', '-o', join(folder, 'trace'), ...registry],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    )
    if (strace.stdout === null) throw new Error('strace has no output')
    const [line] = await once(createInterface(strace.stdout), 'line')
    url = (JSON.parse(line) as { url: string }).url
  })

  afterEach(async () => {
    const ended = once(strace, 'exit')
    for (const pid of descendants(strace.pid ?? 0)) process.kill(pid, 'SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })

  test('its bytes, its name, its folder and its row are on the disk, in this order', async () => {
    const bytes = bytesOf('what must not be lost')
    const digest = digestOf(bytes)
    const hex = digest.slice('sha256:'.length)
    // The row of an upload is not synced; that of its blob is.
    const opened = await fetch(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })
    const location = `${url}${opened.headers.get('location')}?digest=${digest}`
    expect((await fetch(location, { method: 'PUT', body: bytes })).status).toBe(201)
    let trace: string[] = []
    const answered = () => {
      trace = readFileSync(join(folder, 'trace'), 'utf8').split('\n')
      return trace.findIndex((line) => line.includes('HTTP/1.1 201'))
    }
    await expect.poll(answered).toBeGreaterThan(0)
    const before = trace.slice(0, answered())
    const place = (wanted: RegExp, after: number) => before.findIndex((line, i) => i > after && wanted.test(line))
    const written = place(/fsync\(.*incoming\//, -1)
    const named = place(new RegExp(`rename.*${hex}`), written)
    const kept = place(new RegExp(`fsync\\(.*sha256/${hex.slice(0, 2)}/${hex.slice(2, 4)}>`), named)
    const known = place(/f(data)?sync\(.*registry\.db-wal>/, kept)
    expect([written, named, kept, known].every((at) => at >= 0)).toBe(true)
  })
})
