/** Fresh applications of strangers: a folder, the packed package in it, a bundler as it comes, no setting of ours. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

/** Where `selvedge up --demo` listens and what a page needs of it. */
export interface Demo {
  /** Origin. */
  registry: string
  key: string
  token: string
}

export interface Server {
  url: string
  close(): Promise<void>
}

const record = { beak_length_mm: 39.1, flipper_length_mm: 181, island: 'Torgersen', sex: null }

/** A folder with the package and what else is named, from the npm registry. */
export function installApp(home: string, packages: readonly string[]): void {
  mkdirSync(home)
  writeFileSync(join(home, 'package.json'), JSON.stringify({ name: 'stranger', private: true, type: 'module' }))
  const flags = ['--silent', '--no-audit', '--no-fund', '--prefer-offline']
  execFileSync('npm', ['install', ...flags, ...packages], {
    cwd: home,
    // Its install script downloads from elsewhere, and no page needs it.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/**
 * What the application's own module says; it leaves its answer in `delivered`.
 *
 * @param bar - where `<selvedge-progress>` comes from, for an application that shows one
 */
export function pageModule(from: string, { registry, key, token }: Demo, bar?: string): string {
  return `import { connect } from '${from}'
${bar === undefined ? 'const follow = undefined' : `import '${bar}'\nconst { follow } = document.body.appendChild(document.createElement('selvedge-progress'))`}
const answer = async () => {
  const penguins = await connect('${registry}', 'penguins', { key: '${key}', token: '${token}', onProgress: follow })
  const scored = await penguins.score(${JSON.stringify(record)})
  await penguins.close()
  return scored
}
answer().then(
  (scored) => { globalThis.delivered = { ...scored, shown: document.querySelector('selvedge-progress')?.phase } },
  (error) => { globalThis.delivered = { error: [error.code, error.message].join(': ') } },
)
`
}

/** The same by the React hook of browser/examples, as its README tells. */
export function reactModule({ registry, key, token }: Demo): string {
  return `import { createElement, StrictMode, useEffect } from 'react'
import { createRoot } from 'react-dom/client'
import { useSelvedge } from './use-selvedge.tsx'
const options = { key: '${key}', token: '${token}' }
const phases = []
function Penguin() {
  const { connection, progress, error } = useSelvedge('${registry}', 'penguins', options)
  if (progress) phases.push(progress.phase)
  useEffect(() => {
    if (error) globalThis.delivered = { error: [error.code, error.message].join(': ') }
    connection?.score(${JSON.stringify(record)}).then((scored) => { globalThis.delivered = { ...scored, shown: phases.at(-1) } })
  }, [connection, error])
  return createElement('p', null, error ? error.message : (progress?.phase ?? 'starting'))
}
createRoot(document.getElementById('root')).render(createElement(StrictMode, null, createElement(Penguin)))
`
}

export function pageHtml(script: string): string {
  return `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>stranger</title><div id="root"></div>${script}`
}

// webpack names every asset of more than 244 KiB; the worker holds ONNX Runtime's glue.
const sizeHint = /^WARNING in asset size limit:.*\n\nwebpack compiled with 1 warning$/s

/** A build; what it has to say is a warning, and an application that is told to change a setting was not served. */
export function build(home: string, tool: string, args: readonly string[]): void {
  const ran = spawnSync(join(home, 'node_modules/.bin', tool), args, {
    cwd: home,
    env: { ...process.env, NO_COLOR: '1' },
    encoding: 'utf8',
  })
  const said = (ran.stdout + ran.stderr).trim()
  if (ran.status !== 0 || said.replace(sizeHint, '') !== '')
    throw new Error(`${tool} ended with ${ran.status}: ${said}`)
}

/** `vite dev` or `vite preview`. */
export async function startVite(home: string, command: 'dev' | 'preview'): Promise<Server> {
  const child = spawn(join(home, 'node_modules/.bin/vite'), [command, '--host', '127.0.0.1'], {
    cwd: home,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const url = await new Promise<string>((resolve, reject) => {
    let said = ''
    child.once('exit', (code) => reject(new Error(`vite ${command} ended with ${code}: ${said}`)))
    child.stdout.on('data', (chunk) => {
      said += chunk
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(stripVTControlCharacters(said))
      if (found !== null) resolve(found[0])
    })
  })
  return {
    url,
    async close() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** `selvedge up --demo` of an installed package. */
export async function startDemo(home: string): Promise<Demo & { close(): Promise<void> }> {
  const ports = ['--registry-port', '0', '--scoring-port', '0', '--scorers', '1']
  const child = spawn(
    join(home, 'node_modules/.bin/selvedge'),
    ['up', '--demo', '--json', '--data', 'data', ...ports],
    {
      cwd: home,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const ended = once(child, 'exit')
  const line = await new Promise<string>((resolve, reject) => {
    let said = ''
    child.once('exit', (code) => reject(new Error(`selvedge up ended with ${code}`)))
    child.stdout.on('data', (chunk) => {
      said += chunk
      if (said.endsWith('}\n')) resolve(said)
    })
  })
  const { registry, keys, demo } = JSON.parse(line)
  return {
    registry: new URL(registry).origin,
    key: keys[0],
    token: demo.pageToken,
    async close() {
      child.kill('SIGTERM')
      await ended
    },
  }
}
