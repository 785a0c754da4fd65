/**
 * What a stranger gets: packs the package, installs it into empty folders, with and without its optional peers, and scores
 * with it. Needs the npm registry, so it is a program of its own and no test: `npm run test:package`.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'selvedge-package-'))
// The install script of onnxruntime-node downloads from elsewhere.
const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' }
const peers = ['onnxruntime-node@1.30.0', '@openfeature/server-sdk@1.23.0', '@openfeature/web-sdk@1.10.0']

const program = `
import assert from 'node:assert/strict'
import { openOipClient } from 'selvedge/client'
import { connect } from 'selvedge/node'
const [registry, token, key, provider, cacheDir, scoring] = process.argv.slice(2)
const penguins = await connect(registry, 'penguins', { token, key, cacheDir })
const scored = await penguins.score({ beak_length_mm: 39.1, flipper_length_mm: 181, island: 'Torgersen', sex: null })
assert.equal(scored.class, 'Adelie')
assert.equal(scored.provider, provider)
await penguins.close()
const { predictions } = await openOipClient(scoring).score('penguins', [{ beak_length_mm: 39.1, island: 'Torgersen' }])
assert.equal(predictions[0].class, 'Adelie')
console.log(scored.class, 'on', scored.provider)
`

/** With the peers alone. */
const flags = `
import assert from 'node:assert/strict'
import { OpenFeature } from '@openfeature/server-sdk'
import { openProvider } from 'selvedge/openfeature-server'
const [registry, token, key, , cacheDir] = process.argv.slice(2)
await OpenFeature.setProviderAndWait(openProvider(registry, { endpoints: ['penguins'], token, key, cacheDir }))
const details = await OpenFeature.getClient().getObjectDetails('penguins', {}, { targetingKey: 'ada' })
assert.deepEqual([details.value.model, details.reason], ['penguins', 'STATIC'])
await OpenFeature.close()
console.log(details.value.model, details.value.version, details.reason)
`

const typedFlags = `
import { OpenFeature } from '@openfeature/server-sdk'
import { OpenFeature as WebFeature } from '@openfeature/web-sdk'
import { type DeploymentValue, openProvider } from 'selvedge/openfeature-server'
import { openProvider as openPageProvider } from 'selvedge/openfeature-web'
const options = { endpoints: ['digits'], key: 'ed25519:' }
export async function check(): Promise<DeploymentValue[]> {
  await OpenFeature.setProviderAndWait(openProvider('http://localhost:4400', options))
  await WebFeature.setProviderAndWait(openPageProvider('http://localhost:4400', options), { targetingKey: 'ada' })
  const otherwise: DeploymentValue = { deployment: 'blue', version: 1, model: 'digits', manifest: '' }
  // @ts-expect-error a key is not optional
  openProvider('http://localhost:4400', { endpoints: ['digits'] })
  const client = OpenFeature.getClient()
  return [await client.getObjectValue<DeploymentValue>('digits', otherwise), WebFeature.getClient().getObjectValue<DeploymentValue>('digits', otherwise)]
}
`

const typed = `
import { connect as connectPage } from 'selvedge/browser'
import { type OipClient, openOipClient } from 'selvedge/client'
import { createEdge } from 'selvedge/edge'
import { connect, type Scored } from 'selvedge/node'
import { bucket } from 'selvedge/runtime/assignment/schemes'
export const client: OipClient = openOipClient('http://localhost:4401')
export default createEdge({ registry: 'http://localhost:4400', key: 'ed25519:', endpoints: [], callers: 'anyone', wasm: {} })
export async function check(canvas: HTMLCanvasElement): Promise<[Scored, number]> {
  const page = await connectPage('http://localhost:4400', 'digits', { token: 'page_', key: 'ed25519:' })
  const node = await connect('http://localhost:4400', 'digits', { key: ['ed25519:'], unit: 'ada' })
  await page.score({ image: canvas })
  // @ts-expect-error a key is not optional
  await connect('http://localhost:4400', 'digits', {})
  return [await node.score({ image: [0] }), bucket('salt', 'ada')]
}
`

try {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [tarball] = readdirSync(folder).filter((file) => file.endsWith('.tgz'))
  assert.ok(tarball, 'npm pack made no tarball')
  for (const withPeers of [false, true]) await tryPackage(join(folder, tarball), withPeers)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function tryPackage(tarball: string, withPeers: boolean): Promise<void> {
  const home = join(folder, withPeers ? 'with-peers' : 'without-peers')
  mkdirSync(home)
  writeFileSync(join(home, 'package.json'), JSON.stringify({ name: 'stranger', private: true, type: 'module' }))
  const packages = withPeers ? [tarball, ...peers] : [tarball]
  execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund', ...packages], {
    cwd: home,
    env,
    stdio: 'inherit',
  })
  checkTypes(home, withPeers ? typedFlags : typed)

  const args = [
    'up',
    '--demo',
    '--json',
    '--data',
    'data',
    '--registry-port',
    '0',
    '--scoring-port',
    '0',
    '--scorers',
    '1',
  ]
  const up = spawn(join(home, 'node_modules/.bin/selvedge'), args, { cwd: home, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(up, 'exit')
  try {
    const [line] = (await once(up.stdout, 'data')) as [Buffer]
    const { registry, keys, demo, scoring } = JSON.parse(line.toString())
    writeFileSync(join(home, 'score.js'), program)
    const asked = [registry, demo.pageToken, keys[0], withPeers ? 'cpu' : 'wasm', join(home, 'cache'), scoring]
    const said = execFileSync(process.execPath, [join(home, 'score.js'), ...asked], { cwd: home, encoding: 'utf8' })
    console.log(`package ${withPeers ? 'with' : 'without'} its peers: ${said.trim()}`)
    if (withPeers) {
      writeFileSync(join(home, 'flags.js'), flags)
      const flag = execFileSync(process.execPath, [join(home, 'flags.js'), ...asked], { cwd: home, encoding: 'utf8' })
      console.log(`flag of its own: ${flag.trim()}`)
    }
  } finally {
    up.kill('SIGTERM')
    await ended
  }
}

function checkTypes(home: string, program: string): void {
  writeFileSync(join(home, 'typed.ts'), program)
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--lib',
    'es2024,dom',
    '--skipLibCheck',
  ]
  execFileSync(join(root, 'node_modules/.bin/tsc'), [...options, '--types', '', 'typed.ts'], {
    cwd: home,
    stdio: 'inherit',
  })
}
