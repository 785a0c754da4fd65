/** `selvedge report` against a registry. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listen } from '../../../registry/listener.ts'
import { serve } from '../../fixtures/http.ts'
import { openDrifted } from '../../registry/monitor/fixture.ts'
import { runCommand } from './command.ts'

describe('a report', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'selvedge-report-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('is one file with the verdicts that the registry gives, and is refused where they do not follow', async () => {
    await using fixture = await openDrifted()
    const listener = await listen(fixture.registry, '127.0.0.1', 0)
    const file = join(folder, 'report.html')
    let text = ''
    try {
      const env = { SELVEDGE_REGISTRY: listener.url }
      const { code, stdout, stderr } = await runCommand(['report', 'e', '--monitor', 'mine', '-o', file], { env })
      expect([code, stdout, stderr]).toEqual([0, `e/blue, version 1: drift\n${file}\n`, ''])
      text = readFileSync(file, 'utf8')
      expect(text).toContain('<h1>Drift of e: drift</h1>')
      const nowhere = ['report', 'e', '--monitor', 'mine', '-o', join(folder, 'none', 'report.html')]
      expect(await runCommand(nowhere, { env })).toMatchObject({ code: 2, stderr: expect.stringContaining('ENOENT') })
    } finally {
      await listener.close(0)
    }
    const wrong = text.replace('"verdict":"drift","features"', '"verdict":"no_drift","features"')
    const site = await serve((_, response) => response.end(wrong))
    const other = join(folder, 'wrong.html')
    try {
      const env = { SELVEDGE_REGISTRY: site.url }
      const { code, stderr } = await runCommand(['report', 'e', '-o', other], { env })
      expect([code, stderr]).toEqual([1, expect.stringContaining('VERDICT_UNPROVEN: "e": the registry says no_drift')])
      expect(existsSync(other)).toBe(false)
    } finally {
      await site.close()
    }
  })

  test('is refused where what answers tells no numbers', async () => {
    const site = await serve((_, response) => response.end('<h1>Welcome</h1>'))
    try {
      const { code, stderr } = await runCommand(['report', 'e'], { env: { SELVEDGE_REGISTRY: site.url } })
      expect([code, stderr]).toEqual([1, expect.stringContaining('REGISTRY_UNREACHABLE')])
    } finally {
      await site.close()
    }
  })
})
