/** The sample models of `selvedge up --demo`: pushed once, served once, and a page token that stays the same. */
import { existsSync } from 'node:fs'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { profileSpec } from '../../runtime/contract/profile-spec.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { readSamples, type Sample } from '../demo/sample.ts'
import { request } from './answers.ts'
import type { Context } from './context.ts'
import { demoFolder, demoPageFolder } from './servers.ts'
import { pushVersion } from './version/push.ts'

export interface Demo {
  /** Address of the demo page with its token and key; absent where the page was not built. */
  page?: string
  pageToken: string
  endpoints: string[]
  /** A row for a first request. */
  example: { endpoint: string; record: Record<string, unknown> }
}

const folder = fileURLToPath(demoFolder)

/** Deployments of an endpoint in the order of its versions, and the first split where there are two. */
const deploymentNames = ['blue', 'green', 'violet']
const firstSplit = { blue: 90, green: 10 }

/** @throws {@link SelvedgeError} `REFUSED_TO_START` where the sample models were not made */
export async function openDemo(context: Context<unknown>, data: string, keys: readonly string[]): Promise<Demo> {
  const samples = (await readList(folder)).filter(isServed)
  const endpoints = [...new Set(samples.map((sample) => sample.endpoint))]
  for (const endpoint of endpoints) {
    await serveSamples(
      context,
      endpoint,
      samples.filter((sample) => sample.endpoint === endpoint),
    )
  }
  const token = await pageToken(context, data)
  // Behind the #, so that neither is sent to a server or written into its log.
  const credentials = new URLSearchParams({ token, key: keys[0] ?? '' })
  const page = existsSync(demoPageFolder) ? { page: `${context.registry.base}demo/#${credentials}` } : {}
  return { ...page, pageToken: token, endpoints, example: await findExample(samples) }
}

type ServedSample = Sample & { endpoint: string }

function isServed(sample: Sample): sample is ServedSample {
  return sample.endpoint !== undefined
}

async function readList(folder: string): Promise<Sample[]> {
  try {
    return (await readSamples(folder)).samples
  } catch (cause) {
    throw new SelvedgeError('REFUSED_TO_START', 'no sample models: run `node server/demo/make.ts` first', {}, { cause })
  }
}

// What a user changed at an endpoint stays: deployments that are there keep their version, a split is set once.
async function serveSamples(context: Context<unknown>, endpoint: string, samples: readonly ServedSample[]) {
  const { client } = context
  const known = (await client.endpoints()).find(({ name }) => name === endpoint)
  for (const [i, { model, folder: name, rows, tags, why }] of samples.entries()) {
    const files = [join(folder, name), ...(rows === undefined ? [] : [join(folder, rows)])]
    const { version } = await pushVersion(context, model, files, { tags, why })
    const deployment = deploymentNames[i] ?? `v${version}`
    if (known?.deployments.some((each) => each.name === deployment)) continue
    await client.putDeployment(endpoint, deployment, { model, version })
  }
  if (known !== undefined) return
  if (samples.some(({ rows }) => rows !== undefined)) await putMonitor(context, endpoint)
  if (samples.length !== 2) return
  const { traffic, etag } = await client.traffic(endpoint)
  await client.putTraffic(endpoint, { ...traffic, split: firstSplit }, etag)
}

/**
 * What the demo page's panel of drift asks: minutes instead of hours, no season, and limits that 258 rows of baseline can
 * tell from nothing.
 */
const quickMonitor = { window: '1m', season: 'none', limits: { location: 0.5, missing: 0.1 } }

async function putMonitor({ registry }: Context<unknown>, endpoint: string): Promise<void> {
  await request(registry, `api/v1/endpoints/${endpoint}/monitors/default`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(quickMonitor),
  })
}

const savedToken = z.object({ id: z.string(), secret: z.string() })

// Page tokens are public, they stand in pages; the file is only so that a second start prints the same one.
async function pageToken({ client }: Context<unknown>, data: string): Promise<string> {
  const file = join(data, 'page-token.json')
  const saved = savedToken.safeParse(await readFile(file, 'utf8').then(JSON.parse, () => undefined))
  if (saved.success && (await client.tokens()).some(({ id }) => id === saved.data.id)) return saved.data.secret
  const { id, secret } = await client.createToken({ role: 'page', name: 'demo page' })
  await writeFile(file, `${JSON.stringify({ id, secret })}\n`, { mode: 0o600 })
  await chmod(file, 0o600)
  return secret
}

/** A typical row of the first sample that takes columns: middles of its bins, first values of its vocabularies. */
async function findExample(samples: readonly ServedSample[]): Promise<Demo['example']> {
  for (const { endpoint, folder: name } of samples) {
    const profile = profileSpec.parse(JSON.parse(await readFile(join(folder, name, 'profile.json'), 'utf8')))
    if (profile.features.some((feature) => feature.kind === 'numeric' && feature.reduction !== undefined)) continue
    const record = profile.features.map((feature) => [
      feature.name,
      feature.kind === 'numeric'
        ? roundOff(feature.edges[Math.floor(feature.edges.length / 2)] ?? 0)
        : feature.values[0],
    ])
    return { endpoint, record: Object.fromEntries(record) }
  }
  throw new SelvedgeError('REFUSED_TO_START', 'no sample model takes columns')
}

function roundOff(value: number): number {
  return Number(value.toPrecision(4))
}
