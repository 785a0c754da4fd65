/** Dependencies point one way: runtime ← browser, server, registry, bench (design, section 4). */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What the sources of a folder may import: other folders of ours, and packages. */
const allowed: Record<string, { folders: string[]; packages: RegExp }> = {
  runtime: { folders: ['runtime'], packages: /^(zod|jose)$/ },
  'runtime/providers': { folders: ['runtime'], packages: /^(node:.*|onnxruntime-(node|web(\/wasm)?))$/ },
  browser: {
    folders: ['runtime', 'browser'],
    packages: /^(comlink|idb|onnxruntime-web\/.*|@openfeature\/web-sdk|virtual:.*)$/,
  },
  registry: {
    folders: ['runtime', 'registry'],
    packages: /^(node:.*|hono(\/.*)?|@hono\/.*|zod|jose|kysely|pino|hyparquet-writer)$/,
  },
  server: {
    folders: ['runtime', 'server'],
    packages:
      /^(node:.*|hono(\/.*)?|@hono\/.*|zod|pino|@opentelemetry\/api|@openfeature\/server-sdk|commander|csv-parse(\/.*)?|mnist|vega-datasets|hyparquet|onnxruntime-(web|node))$/,
  },
}

const files = Object.keys(allowed)
  .filter((folder) => !folder.includes('/'))
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
      .map((file) => join(folder, file)),
  )

describe('imports', () => {
  test.each(files)('%s imports only what its folder may', (file) => {
    const rule = file.startsWith('runtime/providers/')
      ? allowed['runtime/providers']
      : allowed[file.split('/')[0] ?? '']
    if (rule === undefined) throw new Error(`no rule for ${file}`)
    for (const source of importsOf(file)) {
      if (source.startsWith('.')) {
        const folder = relative(root, join(root, dirname(file), source)).split('/')[0] ?? ''
        expect(rule.folders, `${file} imports ${source}`).toContain(folder)
      } else expect(source, file).toMatch(rule.packages)
    }
  })
})

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const found = text.matchAll(/^(?:import|export)\s[^'"]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gms)
  return Array.from(found, (match) => match[1] ?? match[2] ?? match[3] ?? '')
}
