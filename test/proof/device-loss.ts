/**
 * Proof of F-26: a WebGPU device destroyed a hundred times, before, during and after runs. Every request must be
 * answered, none with zeros or a wrong number: `npm run proof -- device-loss`; what it printed lies beside it.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright'
import { chromiumArguments, chromiumPath } from '../chromium.ts'
import { faultsPage } from '../e2e/faults-page.ts'
import { serve } from '../fixtures/http.ts'
import { startCommand } from '../server/cli/command.ts'

interface Answer {
  class: string
  score: number
  provider: string
}

// A connection warms a device again three times within ten minutes.
const visits = 34
const lossesPerVisit = 3

const folder = mkdtempSync(join(tmpdir(), 'selvedge-proof-'))
const up = startCommand([
  'up',
  '--demo',
  '--json',
  '--data',
  folder,
  '--registry-port',
  '0',
  '--scoring-port',
  '0',
  '--scorers',
  '1',
])
const ended = new Promise((resolve) => up.once('exit', resolve))
try {
  const line = await new Promise<string>((resolve) => up.stdout?.once('data', (chunk) => resolve(String(chunk))))
  const { registry, keys, demo } = JSON.parse(line)
  const origin = new URL(registry).origin
  const site = await serve((_, response) => {
    response.setHeader('content-type', 'text/html')
    response.end(faultsPage(origin, { token: demo.pageToken, key: keys[0] }))
  })
  const browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: chromiumArguments })
  try {
    await prove(site.url, async () => await (await browser.newContext()).newPage())
  } finally {
    await browser.close()
    await site.close()
  }
} finally {
  up.kill('SIGTERM')
  await ended
  rmSync(folder, { recursive: true, force: true })
}

async function prove(url: string, newPage: () => Promise<import('playwright').Page>): Promise<void> {
  const figures = { losses: 0, requests: 0, answered: 0, wrong: 0, zeros: 0, onWebgpu: 0, onWasm: 0 }
  const firstAnswerMs: number[] = []
  const recoveredMs: number[] = []
  let right: number | undefined
  for (let visit = 0; visit < visits; visit++) {
    const page = await newPage()
    await page.goto(url)
    await page.waitForFunction('"start" in globalThis')
    await page.evaluate(`start(['webgpu', 'wasm'])`)
    const [alone] = await page.evaluate<Answer[]>('askAll(1)')
    right ??= alone?.score
    for (let loss = 1; loss <= lossesPerVisit; loss++) {
      const answers = await page.evaluate<Answer[]>(`askAroundLoss(${(visit + loss) % 2 === 0})`)
      firstAnswerMs.push(await page.evaluate<number>('firstAnswerMs'))
      figures.losses++
      figures.requests += 9
      figures.answered += answers.length
      for (const { class: name, score, provider } of answers) {
        if (score === 0) figures.zeros++
        if (name !== 'Adelie' || Math.abs(score - (right ?? 0)) > 1e-4) figures.wrong++
        if (provider === 'webgpu') figures.onWebgpu++
        else figures.onWasm++
      }
      await page.waitForFunction(`events.filter(({ type }) => type === 'device_recovered').length === ${loss}`)
      recoveredMs.push(
        await page.evaluate<number>(`events.findLast(({ type }) => type === 'device_recovered').afterMs`),
      )
    }
    await page.context().close()
  }
  console.log(figures)
  console.log(
    `first answer after a loss: median ${median(firstAnswerMs)} ms, most ${Math.max(...firstAnswerMs).toFixed(0)} ms`,
  )
  console.log(`WebGPU again: median ${median(recoveredMs)} ms, most ${Math.max(...recoveredMs).toFixed(0)} ms`)
  assert.deepEqual([figures.answered, figures.wrong, figures.zeros], [figures.requests, 0, 0])
}

function median(values: readonly number[]): string {
  return (values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0).toFixed(0)
}
