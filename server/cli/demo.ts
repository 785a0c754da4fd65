/** The sample models of `selvedge up --demo`: pushed once, served once, and a page token that stays the same. */
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { name } from '../../runtime/contract/names.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { Context } from './context.ts'
import { demoFolder } from './servers.ts'
import { pushVersion } from './version/push.ts'

export interface Demo {
  pageToken: string
  /** A row for a first request. */
  example: { endpoint: string; record: Record<string, unknown> }
}

/** `index.json` of the demo folder, as `server/demo/make` writes it. */
const demoIndex = z.object({
  models: z.array(
    z.object({
      model: name,
      version: z.int().min(1),
      folder: z.string().min(1),
      endpoint: name,
      tags: z.record(z.string(), z.string()).optional(),
      why: z.string().optional(),
    }),
  ),
})

type DemoVersion = z.infer<typeof demoIndex>['models'][number]

/** Deployments of an endpoint in the order of its versions, and how its traffic is split at first. */
const deploymentNames = ['blue', 'green', 'violet']
const splits: Readonly<Record<number, readonly number[]>> = { 1: [100], 2: [90, 10] }

/** @throws {@link SelvedgeError} `REFUSED_TO_START` where the sample models were not made */
export async function openDemo(context: Context<unknown>, data: string): Promise<Demo> {
  const versions = await readIndex()
  for (const endpoint of new Set(versions.map((version) => version.endpoint))) {
    await serveVersions(
      context,
      endpoint,
      versions.filter((version) => version.endpoint === endpoint),
    )
  }
  return { pageToken: await pageToken(context, data), example: { endpoint: '', record: {} } }
}

async function readIndex(): Promise<DemoVersion[]> {
  let text: string
  try {
    text = await readFile(new URL('index.json', demoFolder), 'utf8')
  } catch (cause) {
    throw new SelvedgeError('REFUSED_TO_START', 'no sample models: run `node server/demo/make.ts` first', {}, { cause })
  }
  return demoIndex.parse(JSON.parse(text)).models.sort((a, b) => a.version - b.version)
}

// What a user changed at an endpoint stays: only an endpoint that is not there is made.
async function serveVersions(context: Context<unknown>, endpoint: string, versions: readonly DemoVersion[]) {
  const { client } = context
  const known = (await client.endpoints()).some(({ name }) => name === endpoint)
  for (const [i, { model, folder, tags = {}, why }] of versions.entries()) {
    const path = fileURLToPath(new URL(`${folder}/`, demoFolder))
    const { version } = await pushVersion(context, model, path, { tags, why })
    if (!known) await client.putDeployment(endpoint, deploymentNames[i] ?? `v${version}`, { model, version })
  }
  if (known || versions.length < 2) return
  const { traffic, etag } = await client.traffic(endpoint)
  const split = Object.fromEntries(
    versions.map((_, i) => [deploymentNames[i] ?? '', splits[versions.length]?.[i] ?? 0]),
  )
  await client.putTraffic(endpoint, { ...traffic, split }, etag)
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
