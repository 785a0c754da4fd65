import { describe, expect, test } from 'vitest'
import { readExperiment } from '../../../registry/experiment/experiment.ts'
import type { Experiments } from '../../../registry/store/experiments.ts'
import { type Experiment, experiment } from '../../../runtime/contract/experiment.ts'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { openRandom } from '../../runtime/drift/random.ts'
import { type Fixture, openServing, sendJson } from '../fixture.ts'

const began = Date.parse('2026-11-24T10:00:00Z')
const minuteMs = 60_000

/** Units come to blue and green in turn; a share of each buys. */
interface Wave {
  units: number
  /** Share of them that comes to green. */
  green: number
  buys: { blue: number; green: number }
}

async function openExperiment() {
  const clock = { now: began }
  const fixture = await openServing({ now: () => clock.now })
  const { uniform } = openRandom(8)
  let seq = 0
  let units = 0

  async function revision(): Promise<number> {
    return ((await (await fixture.request('/api/v1/endpoints/e')).json()) as { revision: number }).revision
  }

  async function split(green: number): Promise<void> {
    clock.now += minuteMs
    const path = '/api/v1/endpoints/e/traffic'
    const etag = (await fixture.request(path)).headers.get('etag') ?? ''
    const body = { split: { blue: 100 - green, green } }
    const answer = await sendJson(fixture, 'PUT', path, body, { 'if-match': etag })
    if (!answer.ok) throw new Error(await answer.text())
    clock.now += minuteMs
  }

  /** @param by - revision of the plan that their hosts hold */
  async function tell<Unit extends { unit: string; deployment: string }>(
    all: readonly Unit[],
    valuesOf: (unit: Unit) => TelemetryReport['outcomes'][number]['values'] | undefined,
    by?: number,
  ): Promise<void> {
    const held = by ?? (await revision())
    const at = new Date(clock.now).toISOString()
    const told = new Date(clock.now + 1000).toISOString()
    for (let start = 0; start < all.length; start += 200) {
      const some = all.slice(start, start + 200)
      const report: TelemetryReport = {
        sender: 'a'.repeat(22),
        seq: ++seq,
        window: new Date(clock.now - (clock.now % minuteMs)).toISOString(),
        endpoint: 'e',
        revision: held,
        profiles: [],
        exposures: some.map(({ unit, deployment }) => ({ unit, deployment, at })),
        outcomes: some.flatMap((unit) => {
          const values = valuesOf(unit)
          return values ? [{ unit: unit.unit, at: told, values }] : []
        }),
      }
      const answer = await sendJson(fixture, 'POST', '/api/v1/telemetry', report)
      if (!answer.ok) throw new Error(await answer.text())
    }
    clock.now += minuteMs
  }

  async function come({ units: count, green, buys }: Wave, by?: number): Promise<void> {
    const all = Array.from({ length: count }, () => {
      const unit = String(units++).padStart(22, '0')
      const deployment = uniform() < green ? ('green' as const) : ('blue' as const)
      return { unit, deployment, bought: uniform() < buys[deployment] }
    })
    // Of those who bought nothing, nothing is told.
    await tell(all, ({ bought }) => (bought ? { bought: true } : undefined), by)
  }

  return Object.assign(fixture, { split, tell, come, revision })
}

async function read(fixture: Fixture, query: Record<string, string> = {}): Promise<Experiment> {
  const all = new URLSearchParams({ outcome: 'bought', control: 'blue', treatment: 'green', ...query })
  const answer = await fixture.request(`/api/v1/endpoints/e/experiment?${all}`)
  if (!answer.ok) throw new Error(await answer.text())
  return experiment.parse(await answer.json())
}

describe('an experiment', { timeout: 60_000 }, () => {
  test('tells what a deployment changes, absolute and as a share of control', async () => {
    await using fixture = await openExperiment()
    await fixture.split(50)
    await fixture.come({ units: 4000, green: 0.5, buys: { blue: 0.2, green: 0.3 } })
    const { splits, effect, sampleRatio } = await read(fixture)
    expect(splits).toHaveLength(1)
    const [only] = splits
    expect((only?.control.units ?? 0) + (only?.treatment.units ?? 0)).toBe(4000)
    expect(only?.control.told).toBeLessThan(only?.control.units ?? 0)
    expect(effect?.absolute.low).toBeGreaterThan(0)
    expect(effect?.absolute.low).toBeLessThan(0.1)
    expect(effect?.absolute.high).toBeGreaterThan(0.1)
    expect(effect?.relative?.low).toBeLessThan(0.5)
    expect(effect?.relative?.high).toBeGreaterThan(0.5)
    expect(sampleRatio.alarm).toBe(false)
  })

  test('finds nothing where the split moves while everybody buys more', async () => {
    await using fixture = await openExperiment()
    await fixture.split(10)
    await fixture.come({ units: 4000, green: 0.1, buys: { blue: 0.1, green: 0.1 } })
    await fixture.split(90)
    await fixture.come({ units: 4000, green: 0.9, buys: { blue: 0.4, green: 0.4 } })
    const { splits, effect } = await read(fixture)
    const pooled = (side: 'control' | 'treatment') => {
      const units = splits.reduce((sum, each) => sum + each[side].units, 0)
      return splits.reduce((sum, each) => sum + each[side].units * (each[side].mean ?? 0), 0) / units
    }
    // Pooled, green would seem to sell more than twice as much.
    expect(pooled('treatment') - pooled('control')).toBeGreaterThan(0.2)
    expect(splits).toHaveLength(2)
    expect(effect?.absolute.low).toBeLessThan(0)
    expect(effect?.absolute.high).toBeGreaterThan(0)
  })

  test('alarms where units do not come in the shares of the split', async () => {
    await using fixture = await openExperiment()
    await fixture.split(50)
    await fixture.come({ units: 4000, green: 0.56, buys: { blue: 0.2, green: 0.2 } })
    expect((await read(fixture)).sampleRatio.alarm).toBe(true)
  })

  test('TE-11 counts units for the split that assigned them, however late their hosts come to the next one', async () => {
    await using fixture = await openExperiment()
    await fixture.split(50)
    const older = await fixture.revision()
    await fixture.split(10)
    // Half of them on green, where by now it is a tenth.
    await fixture.come({ units: 2000, green: 0.5, buys: { blue: 0.2, green: 0.2 } }, older)
    await fixture.come({ units: 2000, green: 0.1, buys: { blue: 0.2, green: 0.2 } })
    const { splits, sampleRatio } = await read(fixture)
    expect(splits.map(({ control, treatment }) => control.units + treatment.units)).toEqual([2000, 2000])
    expect(sampleRatio.alarm).toBe(false)
  })

  test('of few units has no effect yet', async () => {
    await using fixture = await openExperiment()
    await fixture.split(50)
    await fixture.come({ units: 30, green: 0.5, buys: { blue: 0.5, green: 0.5 } })
    expect((await read(fixture)).effect).toBeUndefined()
  })

  test('is narrower where units told of themselves before they were dealt', async () => {
    await using fixture = await openExperiment()
    await fixture.split(0)
    const { uniform } = openRandom(9)
    const people = Array.from({ length: 400 }, (_, i) => ({
      unit: String(i).padStart(22, 'p'),
      deployment: i % 2 ? 'green' : 'blue',
      usual: 10 + 10 * uniform(),
    }))
    const day = async (deployment: (of: (typeof people)[number]) => string, isLater: boolean) => {
      const spent = ({ usual, unit }: (typeof people)[number]) => ({ unit, spent: usual + uniform() })
      await fixture.tell(
        people.map((person) => ({
          ...spent(person),
          deployment: deployment(person),
        })),
        ({ spent }) => (isLater ? { spent, later: spent } : { spent }),
      )
    }
    await day(() => 'blue', false)
    await fixture.split(50)
    await day(({ deployment }) => deployment, true)
    const width = async (outcome: string) => {
      const { effect } = await read(fixture, { outcome })
      return (effect?.absolute.high ?? 0) - (effect?.absolute.low ?? 0)
    }
    expect(await width('spent')).toBeLessThan(0.3 * (await width('later')))
    expect(await width('spent')).toBeGreaterThan(0)
  })

  test('tells how it came to be: its looks narrow, and the last is of now', async () => {
    await using fixture = await openExperiment()
    await fixture.split(50)
    for (let wave = 0; wave < 10; wave++) {
      await fixture.come({ units: 300, green: 0.5, buys: { blue: 0.2, green: 0.2 } })
    }
    const { looks, effect, sampleRatio, to } = await read(fixture)
    expect(looks.at(-1)).toMatchObject({ at: to, effect, logEvidence: sampleRatio.logEvidence })
    const widths = looks.flatMap(({ effect: told }) => (told ? [told.absolute.high - told.absolute.low] : []))
    expect(widths.length).toBeGreaterThan(5)
    expect(widths.at(-1)).toBeLessThan((widths[0] ?? 0) / 2)
    const units = looks.map((look) => look.units.control + look.units.treatment)
    expect(units.at(-1)).toBe(3000)
    expect(units).toEqual(units.toSorted((a, b) => a - b))
  })

  test('compares by itself the two of the last split, the one with more traffic as control', async () => {
    await using fixture = await openExperiment()
    await fixture.split(60)
    const asked = await fixture.request('/api/v1/endpoints/e/experiment?outcome=bought')
    expect(await asked.json()).toMatchObject({ control: 'green', treatment: 'blue' })
    const other = await fixture.request('/api/v1/endpoints/e/experiment?outcome=bought&treatment=green')
    expect(await other.json()).toMatchObject({ control: 'blue', treatment: 'green' })
    expect(
      (await fixture.request('/api/v1/endpoints/e/experiment?outcome=bought&treatment=green&control=green')).status,
    ).toBe(400)
  })

  test.each([
    [{ control: 'violet' }, 'DEPLOYMENT_UNKNOWN'],
    [{ alpha: '1' }, 'INVALID_REQUEST'],
  ])('with %j is refused', async (query, type) => {
    await using fixture = await openExperiment()
    await expect(read(fixture, query)).rejects.toThrow(type)
  })
})

describe('an experiment of more splits than a person looks at', () => {
  const at = (minute: number) => new Date(began + minute * minuteMs).toISOString()
  const splits = 60
  /** Each unit came in all splits and told once in each. */
  const experiments: Experiments = {
    splits: async () =>
      Array.from({ length: splits }, (_, i) => ({
        revision: i + 1,
        from: at(i),
        to: at(i + 1),
        salt: 'e:1',
        ranges: [
          ['blue', 0, 500_000],
          ['green', 500_000, 1_000_000],
        ],
      })),
    outcomes: async () => ['bought'],
    units: async () =>
      Array.from({ length: 200 }, (_, unit) => ({
        unit: String(unit),
        exposures: Array.from({ length: splits }, (_, i) => ({
          at: at(i),
          deployment: unit % 2 ? 'green' : 'blue',
          revision: i + 1,
        })),
        outcomes: Array.from({ length: splits }, (_, i) => ({ at: at(i + 0.5), name: 'bought', value: i % 2 })),
      })),
  }
  const query = { endpoint: 'e', control: 'blue', treatment: 'green', alpha: 0.05, from: at(0), to: at(splits) }

  test('is of the newest twenty, and says how many it leaves out', async () => {
    const { splits: found, olderSplits, looks } = await readExperiment({ experiments }, query, 'bought')
    expect(found.map(({ revision }) => revision)).toEqual(Array.from({ length: 20 }, (_, i) => 41 + i))
    expect(olderSplits).toBe(40)
    expect(looks.at(-1)?.units).toEqual({ control: 2000, treatment: 2000 })
  })

  test('lets others have their turn within a page of units', async () => {
    let turns = 0
    let isOver = false
    const count = () => {
      turns++
      if (!isOver) setImmediate(count)
    }
    setImmediate(count)
    await readExperiment({ experiments }, query, 'bought')
    isOver = true
    expect(turns).toBeGreaterThan(2)
  })
})

describe('the experiment page', { timeout: 60_000 }, () => {
  test('shows each outcome from look to look, split by split and together, and who came', async () => {
    await using fixture = await openExperiment()
    await fixture.split(10)
    await fixture.come({ units: 2000, green: 0.1, buys: { blue: 0.2, green: 0.4 } })
    await fixture.split(50)
    await fixture.come({ units: 2000, green: 0.5, buys: { blue: 0.2, green: 0.4 } })
    const answer = await fixture.request('/endpoints/e/experiment')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    const text = await answer.text()
    expect(text).toContain('<h1>Experiment of e: green against blue</h1>')
    expect(text).toMatch(/<h2 id="outcome-bought">bought <span class="badge shown">.*higher<\/span><\/h2>/)
    expect(text.match(/aria-label="Effect on bought from look to look/g)).toHaveLength(2)
    const { splits, effect } = await read(fixture)
    for (const { revision, newUnits } of splits) {
      expect(text).toContain(`revision ${revision}`)
      for (const units of Object.values(newUnits)) {
        expect(text).toContain(`<td class="number">${new Intl.NumberFormat('en').format(units)}</td>`)
      }
    }
    expect(text).toContain(`+${Number(effect?.absolute.value.toPrecision(3))}`)
    expect(text).toContain('no alarm')
    expect(/src=|url\(|@import|undefined|NaN/.test(text)).toBe(false)
    expect(await (await fixture.request('/')).text()).toContain('href="/endpoints/e/experiment"')
  })

  test('as a file leads nowhere and holds the numbers that it shows', async () => {
    await using fixture = await openExperiment()
    await fixture.split(50)
    await fixture.come({ units: 500, green: 0.5, buys: { blue: 0.2, green: 0.2 } })
    const answer = await fixture.request('/api/v1/endpoints/e/experiment.html')
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="experiment-e-2026-11-24.html"')
    const text = await answer.text()
    const [, json = ''] = text.match(/id="selvedge-experiment">(.*)<\/script>/) ?? []
    expect(JSON.parse(json).experiments).toEqual([await read(fixture)])
    const links = Array.from(text.matchAll(/href="([^"]*)"/g), ([, link]) => link)
    expect(links.filter((link) => link !== 'data:,')).toEqual([])
  })

  test('says what is missing: two deployments with traffic at once, an outcome', async () => {
    await using fixture = await openExperiment()
    const text = async () => await (await fixture.request('/endpoints/e/experiment')).text()
    expect(await text()).toContain('never had traffic at once')
    await fixture.split(50)
    await fixture.come({ units: 10, green: 0.5, buys: { blue: 0, green: 0 } })
    expect(await text()).toContain('No host has told an outcome of a unit yet')
  })
})
