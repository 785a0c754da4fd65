/** The runner with real processes: small programs that print what a variant prints. */
import { describe, expect, test } from 'vitest'
import { type Result, type Round, runScenario } from '../../bench/harness/run.ts'
import type { Scenario, Variant } from '../../bench/harness/scenario.ts'
import { resultTable, roundLine } from '../../bench/harness/table.ts'

const options = { rounds: 2, seed: 1, timeoutMs: 20_000 }

function program(name: string, code: string): Variant {
  return { name, command: [process.execPath, '-e', code] }
}

function printing(name: string, samples: readonly number[], answer: unknown = 42): Variant {
  return program(name, `console.log('${JSON.stringify({ unit: 'ms', samples, answer })}')`)
}

function scenarioOf(...variants: Variant[]): Scenario {
  return {
    name: 'small',
    question: 'Which is faster?',
    baseline: 'bare',
    variants,
    check: (answer, baseline) => (answer === baseline ? undefined : `got ${answer}, want ${baseline}`),
  }
}

describe('a scenario', () => {
  test('is run in rounds of fresh processes and gives times, ratios and the absent', async () => {
    const rounds: Round[] = []
    const scenario = scenarioOf(printing('bare', [1, 2, 3]), printing('ours', [4, 5, 6]), {
      ...printing('gpu', [1]),
      absent: () => 'no adapter',
    })
    const result = await runScenario(scenario, { ...options, onRound: (round) => rounds.push(round) })
    expect(result).toEqual({
      scenario: 'small',
      question: 'Which is faster?',
      baseline: 'bare',
      seed: 1,
      rounds,
      variants: [
        {
          name: 'bare',
          unit: 'ms',
          figures: { median: 2, p10: 1, p90: 3 },
          against: 'bare',
          ratio: { median: 1, least: 1, most: 1, confidence: 0.5 },
          difference: { median: 0, least: 0, most: 0, confidence: 0.5 },
        },
        {
          name: 'ours',
          unit: 'ms',
          figures: { median: 5, p10: 4, p90: 6 },
          against: 'bare',
          ratio: { median: 2.5, least: 2.5, most: 2.5, confidence: 0.5 },
          difference: { median: 3, least: 3, most: 3, confidence: 0.5 },
        },
      ],
      absent: [{ name: 'gpu', why: 'no adapter' }],
    })
    expect(rounds.map(({ number, samples, units, beside }) => ({ number, samples, units, beside }))).toEqual([
      { number: 1, samples: { bare: [1, 2, 3], ours: [4, 5, 6] }, units: { bare: 'ms', ours: 'ms' }, beside: {} },
      { number: 2, samples: { bare: [1, 2, 3], ours: [4, 5, 6] }, units: { bare: 'ms', ours: 'ms' }, beside: {} },
    ])
    expect(rounds[1]?.order).toEqual(rounds[0]?.order.toReversed())
  })

  test('holds a variant against another than the baseline where it says so', async () => {
    const scenario = scenarioOf(printing('bare', [1]), printing('slow', [4]), {
      ...printing('ours', [6]),
      against: 'slow',
    })
    const { variants } = await runScenario(scenario, { ...options, rounds: 1 })
    expect(variants.map(({ name, against, ratio }) => [name, against, ratio.median])).toEqual([
      ['bare', 'bare', 1],
      ['slow', 'bare', 4],
      ['ours', 'slow', 1.5],
    ])
  })

  test('checks an answer against that of the variant that it is held against', async () => {
    const other = { ...printing('other', [1], 43), against: 'other' }
    const ours = { ...printing('ours', [1], 43), against: 'other' }
    await expect(runScenario(scenarioOf(printing('bare', [1]), other, ours), options)).resolves.toBeDefined()
    await expect(runScenario(scenarioOf(printing('bare', [1]), ours), options)).rejects.toThrow('got 43, want 42')
  })

  test('ends with an error where two that are held against each other differ in their unit', async () => {
    const sized = program('ours', `console.log('{"unit":"bytes","samples":[1],"answer":42}')`)
    await expect(runScenario(scenarioOf(printing('bare', [1]), sized), options)).rejects.toThrow(
      'variant "ours" is in bytes, "bare", against which it is held, in ms',
    )
  })

  test('compares a variant with what it took of the other itself', async () => {
    const ours = program('ours', `console.log('{"unit":"ms","samples":[6,8],"beside":[2,4],"answer":42}')`)
    const { variants } = await runScenario(scenarioOf(printing('bare', [100]), ours), { ...options, rounds: 1 })
    expect(variants[1]).toMatchObject({ figures: { median: 7 }, ratio: { median: 2.5 }, difference: { median: 4 } })
  })

  test('takes the last line that a variant prints', async () => {
    const chatty = program(
      'bare',
      `console.log('loading'); console.log('{"unit":"ms","samples":[1],"answer":1}'); console.error('done')`,
    )
    expect((await runScenario(scenarioOf(chatty), options)).variants[0]?.figures.median).toBe(1)
  })

  test.each([
    [
      'gives a wrong answer',
      printing('ours', [1], 43),
      'variant "ours" of "small" gave a wrong answer: got 43, want 42',
    ],
    [
      'fails',
      program('ours', `console.error('no model'); process.exit(3)`),
      'variant "ours" ended with code 3: no model',
    ],
    ['is killed', program('ours', `process.kill(process.pid, 'SIGKILL')`), 'variant "ours" ended with SIGKILL: '],
    ['prints nothing', program('ours', ''), 'variant "ours" printed no measurement: '],
    [
      'measured nothing',
      printing('ours', []),
      'variant "ours" printed no measurement: {"unit":"ms","samples":[],"answer":42}',
    ],
    [
      'took no time',
      printing('ours', [0]),
      'variant "ours" printed no measurement: {"unit":"ms","samples":[0],"answer":42}',
    ],
    ['is no program', { name: 'ours', command: ['./no-such-program'] } as Variant, 'spawn ./no-such-program ENOENT'],
  ])('ends with an error where a variant %s', async (_, variant, message) => {
    await expect(runScenario(scenarioOf(printing('bare', [1]), variant), options)).rejects.toThrow(message)
  })

  test('ends with an error where its baseline is absent', async () => {
    const scenario = scenarioOf({ ...printing('bare', [1]), absent: () => 'not installed' }, printing('ours', [1]))
    await expect(runScenario(scenario, options)).rejects.toThrow('baseline "bare" of "small" cannot run: not installed')
  })

  // What a variant starts shares its output here, and the run waits for the end of that: it ends when both are dead.
  const startsAnother = `
    require('node:child_process')
      .spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: ['ignore', 'inherit', 'ignore'] })
      .unref()`

  test('kills a variant that hangs, and what that started', async () => {
    const hanging = program('bare', `${startsAnother}; setInterval(() => {}, 1000)`)
    await expect(runScenario(scenarioOf(hanging), { ...options, timeoutMs: 1500 })).rejects.toThrow(
      'variant "bare" did not end within 1500 ms',
    )
  })

  test('leaves no process of a variant behind, although that ended well', async () => {
    const leaving = program('bare', `${startsAnother}; console.log('{"unit":"ms","samples":[1],"answer":1}')`)
    const result = await runScenario(scenarioOf(leaving), { ...options, rounds: 1 })
    expect(result.variants[0]?.figures.median).toBe(1)
  })

  test('stops at once when it is told to', async () => {
    const stop = new AbortController()
    const hanging = program('bare', 'setInterval(() => {}, 1000)')
    const running = runScenario(scenarioOf(hanging), { ...options, signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(running).rejects.toThrow('enough')
  })
})

describe('a table', () => {
  const units = { bare: 'ms', ours: 'ms', size: 'bytes', growth: 'times' } as const
  const same = { median: 1, least: 1, most: 1, confidence: 0.5 }
  const none = { median: 0, least: 0, most: 0, confidence: 0.5 }
  const result: Result = {
    scenario: 'small',
    question: 'Which is faster?',
    baseline: 'bare',
    seed: 1,
    rounds: [
      {
        number: 1,
        order: ['ours', 'bare', 'size', 'growth'],
        samples: { bare: [0.05], ours: [0.1], size: [6500], growth: [1.02] },
        units,
        beside: {},
      },
      {
        number: 2,
        order: ['bare', 'ours', 'growth', 'size'],
        samples: { bare: [0.05], ours: [1500], size: [900], growth: [1.04] },
        units,
        beside: {},
      },
    ],
    variants: [
      {
        name: 'bare',
        unit: 'ms',
        figures: { median: 0.05, p10: 0.05, p90: 0.05 },
        against: 'bare',
        ratio: same,
        difference: none,
      },
      {
        name: 'ours',
        unit: 'ms',
        figures: { median: 750, p10: 0.1, p90: 1500 },
        against: 'bare',
        ratio: { median: 15_001, least: 2, most: 30_000, confidence: 0.5 },
        difference: { median: 750, least: -0.05, most: 1500, confidence: 0.5 },
      },
      {
        name: 'size',
        unit: 'bytes',
        figures: { median: 6500, p10: 900, p90: 16_800_000 },
        against: 'size',
        ratio: same,
        difference: none,
      },
      {
        name: 'growth',
        unit: 'times',
        figures: { median: 1.03, p10: 1.02, p90: 1.04 },
        against: 'growth',
        ratio: same,
        difference: none,
      },
    ],
    absent: [{ name: 'gpu', why: 'no adapter' }],
  }

  test('has a row a variant, with those that are slower and those that are absent', () => {
    expect(resultTable(result)).toBe(
      [
        '| variant | median  | p10 to p90         | as much as                  | more by                     |',
        '|---------|---------|--------------------|-----------------------------|-----------------------------|',
        '| bare    | 50.0 µs | 50.0 µs to 50.0 µs |                             |                             |',
        '| ours    | 750 ms  | 0.100 ms to 1.50 s | bare: 15001 (2.00 to 30000) | 750 ms (-50.0 µs to 1.50 s) |',
        '| size    | 6.50 kB | 900 B to 16.8 MB   |                             |                             |',
        '| growth  | 1.03 ×  | 1.02 × to 1.04 ×   |                             |                             |',
        '| gpu     | absent  |                    | no adapter                  |                             |',
        '',
        '2 rounds, each variant in a fresh process; the interval of a ratio is the least and the greatest round, which ' +
          'holds the median in 50.0 % of runs.',
      ].join('\n'),
    )
  })

  test('is preceded by a line a round, in the order of the round', () => {
    expect(result.rounds.map(roundLine)).toEqual([
      'round 1: ours 0.100 ms, bare 50.0 µs, size 6.50 kB, growth 1.02 ×',
      'round 2: bare 50.0 µs, ours 1.50 s, growth 1.04 ×, size 900 B',
    ])
  })
})
