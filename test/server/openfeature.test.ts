/** OpenFeature's server SDK over a real registry; the clauses are those of its specification, section 2 and 5. */
import { createHmac } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ErrorCode, OpenFeature, ProviderEvents, ProviderStatus } from '@openfeature/server-sdk'
import { parquetReadObjects } from 'hyparquet'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Listener, listen } from '../../registry/listener.ts'
import type { RegistryOptions } from '../../registry/registry.ts'
import type { Endpoint } from '../../runtime/contract/control.ts'
import { experiment as experimentSchema } from '../../runtime/contract/experiment.ts'
import { openProvider } from '../../server/openfeature.ts'
import { type Fixture, openServing, sendJson } from '../registry/fixture.ts'

const halves = { blue: 50, green: 50 }
const client = OpenFeature.getClient()
const fallback = { deployment: 'fallback' }

describe('a provider of OpenFeature in Node', () => {
  let cacheDir: string
  let fixture: Fixture
  let listener: Listener
  let events: string[]

  async function open(options: Partial<RegistryOptions> = {}): Promise<void> {
    fixture = await openServing({ telemetryIntervalMs: 100, ...options })
    listener = await listen(fixture.registry, '127.0.0.1', 0)
  }

  const setProvider = (changes: { endpoints?: string[]; key?: string } = {}) =>
    OpenFeature.setProviderAndWait(
      openProvider(listener.url, { endpoints: ['e'], key: fixture.registry.key, cacheDir, ...changes }),
    )

  async function put(path: string, body: unknown): Promise<void> {
    const etag = (await fixture.request(`/api/v1/endpoints/e${path}`)).headers.get('etag') ?? ''
    const answer = await sendJson(fixture, 'PUT', `/api/v1/endpoints/e${path}`, body, { 'if-match': etag })
    expect(answer.ok, await answer.text()).toBe(true)
  }

  const evaluate = (targetingKey?: string, more = {}) =>
    client.getObjectDetails('e', fallback, { ...(targetingKey !== undefined && { targetingKey }), ...more })

  async function exposures(): Promise<unknown[]> {
    const answer = await fixture.request('/api/v1/endpoints/e/export.parquet?kind=exposures')
    const rows = await parquetReadObjects({ file: await answer.arrayBuffer() })
    return rows.map(({ unit, deployment }) => [unit, deployment])
  }

  const until = async (event: string) => await vi.waitFor(() => expect(events).toContain(event), 20_000)

  beforeEach(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'selvedge-openfeature-'))
    events = []
    for (const event of Object.values(ProviderEvents)) {
      OpenFeature.addHandler(event, (details) => {
        const changed = details !== undefined && 'flagsChanged' in details ? details.flagsChanged : []
        events.push([event, ...(changed as string[])].join(' '))
      })
    }
  })

  afterEach(async () => {
    await OpenFeature.clearProviders()
    OpenFeature.clearHandlers()
    await listener.close(0)
    await fixture[Symbol.asyncDispose]()
    await rm(cacheDir, { recursive: true })
  })

  test('gives units their deployments by the split, and counts each as exposed once', async () => {
    await open()
    await put('/traffic', { split: halves })
    await setProvider()
    const { salt, ranges } = (await (await fixture.request('/api/v1/endpoints/e')).json()) as Endpoint
    const units = Array.from({ length: 20 }, (_, i) => `unit ${i}`)
    const found = await Promise.all([...units, ...units].map((unit) => evaluate(unit)))
    const [first] = found
    expect(first).toMatchObject({ flagKey: 'e', reason: 'SPLIT', flagMetadata: { revision: expect.any(Number) } })
    for (const { value, variant } of found) {
      const version = variant === 'blue' ? 1 : 2
      expect(value).toEqual({ deployment: variant, model: 'a', version, manifest: expect.stringMatching(/^sha256:/) })
    }
    const variants = found.map(({ variant }) => variant)
    expect(new Set(variants)).toEqual(new Set(ranges.map(([deployment]) => deployment)))
    expect(variants.slice(20)).toEqual(variants.slice(0, 20))
    const hash = (unit: string) =>
      createHmac('sha256', salt).update(unit).digest().subarray(0, 16).toString('base64url')
    const wanted = units.map((unit, i) => [hash(unit), variants[i]])
    await vi.waitFor(async () => expect((await exposures()).toSorted()).toEqual(wanted.toSorted()), 5000)
  })

  test('without a targeting key gives a random place of the split, which is no exposure', async () => {
    await open()
    await put('/traffic', { split: halves })
    await setProvider()
    const found = await Promise.all(Array.from({ length: 50 }, (_, i) => evaluate(i % 2 === 0 ? undefined : '')))
    expect(new Set(found.map(({ variant, reason }) => `${variant} ${reason}`))).toEqual(
      new Set(['blue SPLIT', 'green SPLIT']),
    )
    await evaluate('known')
    await vi.waitFor(async () => expect(await exposures()).toHaveLength(1), 5000)
  })

  test('asks the audience by what the context says, and counts no one whom it leaves out', async () => {
    await open()
    const audience = { where: [{ attribute: 'country', equals: 'PL' }], otherwise: 'green' }
    await put('', { assignment: { audience } })
    await setProvider()
    const told = async (context: object) => {
      const { variant, reason } = await evaluate('unit', context)
      return [variant, reason]
    }
    expect(await told({ country: 'DE' })).toEqual(['green', 'DEFAULT'])
    expect(await told({ country: ['PL'] })).toEqual(['green', 'DEFAULT'])
    expect(await told({ country: 'PL' })).toEqual(['blue', 'TARGETING_MATCH'])
    await vi.waitFor(async () => expect(await exposures()).toMatchObject([[expect.any(String), 'blue']]), 5000)
  })

  test('answers with the default and a code for a flag or type that there is not, and says where it is off', async () => {
    await open()
    await setProvider()
    expect(await evaluate('unit')).toMatchObject({ variant: 'blue', reason: 'STATIC' })
    const asked = { reason: 'ERROR', errorCode: ErrorCode.TYPE_MISMATCH }
    expect(await client.getBooleanDetails('e', true)).toMatchObject({ ...asked, value: true })
    expect(await client.getStringDetails('e', 'x')).toMatchObject({ ...asked, value: 'x' })
    expect(await client.getNumberDetails('e', 7)).toMatchObject({ ...asked, value: 7 })
    const unknown = { value: fallback, reason: 'ERROR', errorCode: ErrorCode.FLAG_NOT_FOUND }
    expect(await client.getObjectDetails('other', fallback)).toMatchObject(unknown)
    await put('/traffic', { split: { blue: 0 } })
    await until('PROVIDER_CONFIGURATION_CHANGED e')
    expect(await evaluate('unit')).toMatchObject({ value: fallback, reason: 'DISABLED' })
  })

  test('makes what is tracked an outcome of the unit', async () => {
    await open()
    await put('/traffic', { split: halves })
    await setProvider()
    const units = Array.from({ length: 10 }, (_, i) => `unit ${i}`)
    const variants = await Promise.all(units.map(async (unit) => (await evaluate(unit)).variant))
    for (const [i, targetingKey] of units.entries()) {
      client.track('seen', { targetingKey })
      client.track('bought', { targetingKey }, { value: i, items: 2, basket: { items: 2 } })
    }
    // Nobody's, and of a length that no outcome has.
    client.track('bought', {}, { value: 1000 })
    client.track('bought', { targetingKey: 'unit 0' }, { value: 1000, note: 'x'.repeat(257) })
    const experiment = async (outcome: string) => {
      const answer = await fixture.request(`/api/v1/endpoints/e/experiment?outcome=${outcome}&control=blue`)
      const { splits } = experimentSchema.parse(await answer.json())
      return splits.at(-1)
    }
    const ofBlue = units.flatMap((_, i) => (variants[i] === 'blue' ? [i] : []))
    const sum = ofBlue.reduce((total, value) => total + value, 0)
    await vi.waitFor(async () => {
      const arm = (await experiment('bought'))?.control
      expect(arm).toMatchObject({ units: ofBlue.length, told: ofBlue.length })
      expect(arm?.mean).toBeCloseTo(sum / ofBlue.length, 9)
    }, 5000)
    expect(await experiment('seen')).toMatchObject({ control: { told: ofBlue.length, mean: 1 } })
    expect(await experiment('bought.items')).toMatchObject({ control: { told: ofBlue.length, mean: 2 } })
    expect(await experiment('bought.basket')).toMatchObject({ control: { told: 0 } })
  })

  test('tells of a new plan, and gives what it says', async () => {
    await open()
    await setProvider()
    expect(events).toEqual(['PROVIDER_READY'])
    await put('/traffic', { split: { blue: 0, green: 100 } })
    await until('PROVIDER_CONFIGURATION_CHANGED e')
    expect(events).toEqual(['PROVIDER_READY', 'PROVIDER_CONFIGURATION_CHANGED e'])
    expect(await evaluate('unit')).toMatchObject({ variant: 'green', reason: 'STATIC' })
  })

  test('F-15: is stale once its plan has expired without the registry, gives the same, and is ready when it is back', async () => {
    await open({ planLifeMs: 2000 })
    await put('/traffic', { split: halves })
    await setProvider()
    const before = await evaluate('unit')
    const { port } = new URL(listener.url)
    await listener.close(0)
    await until('PROVIDER_STALE')
    expect(client.providerStatus).toBe(ProviderStatus.STALE)
    expect(await evaluate('unit')).toEqual({ ...before, reason: 'STALE' })
    events = []
    listener = await listen(fixture.registry, '127.0.0.1', Number(port))
    await until('PROVIDER_READY')
    expect(await evaluate('unit')).toEqual(before)
  })

  test('F-30: starts without the registry, with the plan that it held last', async () => {
    await open()
    await put('/traffic', { split: halves })
    await setProvider()
    const before = await evaluate('unit')
    await OpenFeature.clearProviders()
    await listener.close(0)
    await setProvider()
    expect(await evaluate('unit')).toEqual(before)
  })

  test('fails its start for an endpoint that is not there, and is ready once it is', async () => {
    await open()
    await expect(setProvider({ endpoints: ['e', 'late'] })).rejects.toThrow('late')
    expect(client.providerStatus).toBe(ProviderStatus.ERROR)
    expect(await evaluate('unit')).toMatchObject({ variant: 'blue' })
    const late = () => client.getObjectDetails('late', fallback, { targetingKey: 'unit' })
    expect(await late()).toMatchObject({ value: fallback, errorCode: ErrorCode.FLAG_NOT_FOUND })
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/late/deployments/red', { model: 'a', version: 2 })
    await until('PROVIDER_READY')
    expect(events.slice(-2)).toEqual(['PROVIDER_CONFIGURATION_CHANGED late', 'PROVIDER_READY'])
    expect(await late()).toMatchObject({ variant: 'red', reason: 'STATIC' })
  })

  test('RT-15: does not start on plans that its key did not sign', async () => {
    await open()
    await expect(setProvider({ key: `ed25519:${'A'.repeat(43)}` })).rejects.toThrow('signed')
    expect(client.providerStatus).toBe(ProviderStatus.FATAL)
    expect(await evaluate('unit')).toMatchObject({ value: fallback, errorCode: ErrorCode.PROVIDER_FATAL })
  })
})
