/**
 * A baseline of a million rows of eight numbers, from a CSV file of 77 MB: `node bench/variants/drift-baseline.ts
 * <bare|selvedge> <ms|bytes>`. Bare parses the file and keeps nothing. Bytes are the most that the process had resident.
 */
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parse } from 'csv-parse'
import { openBaseline } from '../../runtime/telemetry/baseline.ts'
import { openRowFile } from '../../server/cli/rows/file.ts'
import { readRecords } from '../../server/cli/rows/records.ts'
import { surveyRows } from '../../server/cli/rows/survey.ts'
import { features, openRows } from '../workloads/counting.ts'

const rows = 1_000_000
const [kind, unit] = process.argv.slice(2)
const used = features.slice(0, 8)
const folder = mkdtempSync(join(tmpdir(), 'selvedge-bench-'))
const file = join(folder, 'rows.csv')
try {
  await pipeline(Readable.from(lines()), createWriteStream(file))
  const startedAt = performance.now()
  const counted = kind === 'bare' ? await parseAll() : await makeBaseline()
  const ms = performance.now() - startedAt
  // Kilobytes, getrusage(2).
  const sample = unit === 'bytes' ? process.resourceUsage().maxRSS * 1024 : ms
  console.log(JSON.stringify({ unit, samples: [sample], answer: counted }))
} finally {
  rmSync(folder, { recursive: true })
}

async function parseAll(): Promise<number> {
  let counted = -1
  for await (const _ of createReadStream(file).pipe(parse())) counted++
  return counted
}

async function makeBaseline(): Promise<number> {
  const source = await openRowFile(file)
  const survey = await surveyRows(source)
  const baseline = openBaseline({ features: used })
  for await (const { records } of readRecords(source, survey, used)) {
    for (const record of records) baseline.countRow(record)
  }
  const [first] = baseline.spec().features
  return first?.counts.reduce((sum, count) => sum + count, 0) ?? 0
}

function* lines(): Generator<string> {
  const draw = openRows(4)
  yield `${used.map(({ name }) => name).join(',')}\n`
  for (let at = 0; at < rows; at += 1000) {
    yield draw(1000)
      .map((row) => `${used.map(({ name }) => row[name]?.toFixed(6)).join(',')}\n`)
      .join('')
  }
}
