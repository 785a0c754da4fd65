import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, test } from 'vitest'

const started: { child: ChildProcess; dataDir: string }[] = []

afterEach(() => {
  for (const { child, dataDir } of started.splice(0)) {
    child.kill('SIGKILL')
    rmSync(dataDir, { recursive: true, force: true })
  }
})

function start(...flags: string[]) {
  return startIn({}, flags)
}

function startIn(env: Record<string, string>, flags: readonly string[] = []) {
  const dataDir = mkdtempSync(join(tmpdir(), 'selvedge-main-'))
  const child = fork(new URL('../../registry/main.ts', import.meta.url), ['--data', dataDir, '--port', '0', ...flags], {
    silent: true,
    env: { ...process.env, ...env },
  })
  started.push({ child, dataDir })
  const output: Record<'stdout' | 'stderr', string[]> = { stdout: [], stderr: [] }
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = child[name]
    if (stream !== null) createInterface(stream).on('line', (line) => output[name].push(line))
  }
  return { child, output, exited: once(child, 'close') }
}

async function ready({ child, output, exited }: ReturnType<typeof start>): Promise<{ url: string; key: string }> {
  const line = child.stdout ? once(createInterface(child.stdout), 'line') : exited
  await Promise.race([line, exited])
  return JSON.parse(output.stdout[0] ?? '')
}

describe('the registry as a process', () => {
  test('prints one line when it listens, and ends on SIGTERM with polls answered', async () => {
    const process = start()
    const { url, key } = await ready(process)
    expect(process.output.stdout).toHaveLength(1)
    expect(key).toMatch(/^ed25519:[\w-]{43}$/)
    const put = await fetch(`${url}/api/v1/endpoints/e`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    const { revision } = (await put.json()) as { revision: number }
    const poll = fetch(`${url}/api/v1/endpoints/e/plan?wait=25&after=${revision}`)
    await fetch(`${url}/healthz`)
    process.child.kill('SIGTERM')
    expect((await poll).status).toBe(304)
    expect((await process.exited)[0]).toBe(0)
    for (const line of process.output.stderr) expect(JSON.parse(line)).toMatchObject({ at: expect.any(String) })
  })

  test('ends when its parent is gone', async () => {
    const process = start()
    await ready(process)
    const exited = once(process.child, 'exit')
    process.child.disconnect()
    expect((await exited)[0]).toBe(0)
  })

  test('TE-04 refuses proxies that it could not tell from others', async () => {
    const process = startIn({ SELVEDGE_TRUSTED_PROXIES: '10.0.0.0/8, 10.0.0.0/33' })
    expect((await process.exited)[0]).toBe(1)
    expect(process.output.stderr.map((line) => JSON.parse(line))).toMatchObject([
      { code: 'USAGE', message: expect.stringContaining('10.0.0.0/33') },
    ])
  })

  test('AU-11 refuses an address other than loopback while no token exists', async () => {
    const process = start('--host', '0.0.0.0')
    expect((await process.exited)[0]).toBe(1)
    expect(process.output.stdout).toEqual([])
    expect(process.output.stderr.map((line) => JSON.parse(line))).toMatchObject([{ code: 'REFUSED_TO_START' }])
  })

  test.skipIf(!canMountReadOnly())('F-10 refuses to start on a file system that is read-only, within 2 s', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'selvedge-readonly-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'tmpfs', folder])
    try {
      const began = performance.now()
      const { output, exited } = start('--data', folder)
      expect((await exited)[0]).toBe(1)
      expect(output.stderr.join()).toMatch(/REFUSED_TO_START.*cannot be written/)
      expect(performance.now() - began).toBeLessThan(2000)
    } finally {
      execFileSync('umount', [folder])
      rmSync(folder, { recursive: true })
    }
  })

  test('F-10 refuses to start where a file stands in place of its folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'selvedge-file-'))
    writeFileSync(join(folder, 'data'), '')
    const { output, exited } = start('--data', join(folder, 'data'))
    expect((await exited)[0]).toBe(1)
    expect(output.stderr.join()).toMatch(/REFUSED_TO_START/)
    rmSync(folder, { recursive: true })
  })

  test('refuses flags that it does not know and numbers that are none', async () => {
    for (const flags of [
      ['--sacnner'],
      ['--port', '-1'],
      ['--public-url', 'ftp://x'],
      ['--telemetry-interval-ms', '9'],
    ]) {
      const process = start(...flags)
      expect((await process.exited)[0]).toBe(1)
      expect(process.output.stderr.map((line) => JSON.parse(line))).toMatchObject([{ code: 'USAGE' }])
    }
  })
})

function canMountReadOnly(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'selvedge-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'tmpfs', folder], { stdio: 'ignore' })
    execFileSync('umount', [folder])
    return true
  } catch {
    return false
  } finally {
    rmSync(folder, { recursive: true })
  }
}
