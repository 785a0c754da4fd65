import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openOutput } from '../../../server/cli/output.ts'
import { openRate, renderLine } from '../../../server/cli/progress.ts'

const MiB = 1024 ** 2

describe('progress', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] }))
  afterEach(() => vi.useRealTimers())

  const open = (json: boolean, isTTY: boolean) => {
    const stderr = Object.assign(new PassThrough(), { isTTY, columns: 80 })
    const progress = openOutput(json, new PassThrough(), stderr).progress('Sending big', 'bytes')
    return { progress, written: () => String(stderr.read() ?? '') }
  }

  test('is silent within the first second, also on a terminal', () => {
    const { progress, written } = open(false, true)
    progress.update(1, 2)
    vi.advanceTimersByTime(999)
    progress.end()
    vi.advanceTimersByTime(10_000)
    expect(written()).toBe('')
  })

  test('is one line in a pipe, and none with --json', () => {
    const [people, programs] = [open(false, false), open(true, false)]
    for (const { progress } of [people, programs]) {
      progress.update(1, 300 * MiB)
      vi.advanceTimersByTime(60_000)
      progress.update(2, 300 * MiB)
      progress.end()
    }
    expect(people.written()).toBe('Sending big, 300 MiB …\n')
    expect(programs.written()).toBe('')
  })

  test('leaves the line of a terminal empty behind it', () => {
    const { progress, written } = open(true, true)
    progress.update(150 * MiB, 300 * MiB)
    vi.advanceTimersByTime(1200)
    progress.end()
    const lines = written().split('\r\x1b[K')
    expect(lines).toHaveLength(5)
    expect(lines.at(1)).toContain('50 %')
    expect(lines.at(-1)).toBe('')
  })
})

describe('a line of progress', () => {
  const rate = () => {
    const opened = openRate()
    opened.add(0, 0)
    opened.add(50 * MiB, 5000)
    return opened
  }

  test('shows a bar, the bytes of all files, rate and time left within 79 columns', () => {
    const line = renderLine('Sending big', { done: 50 * MiB, total: 300 * MiB }, rate(), 79)
    expect(line).toBe('Sending big  ██░░░░░░░░░░░░░░  16 %  50.0 MiB of 300 MiB  10.0 MiB/s, 25 s left')
    expect(line.length).toBeLessThanOrEqual(79)
  })

  test('leaves the bar out where there is no room for it, and never wraps', () => {
    const place = { done: 50 * MiB, total: 300 * MiB }
    expect(renderLine('Sending big', place, rate(), 66)).not.toContain('░')
    for (const width of [66, 40, 10]) {
      expect(renderLine('Sending big', place, rate(), width).length).toBeLessThanOrEqual(width)
    }
  })

  test('measures the rate over the last ten seconds', () => {
    const opened = openRate()
    expect(opened.read()).toBeUndefined()
    for (let second = 0; second <= 30; second += 1) opened.add(second < 15 ? 0 : (second - 15) * MiB, second * 1000)
    expect(opened.read()).toBe(MiB)
  })
})
