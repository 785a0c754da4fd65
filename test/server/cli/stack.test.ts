import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { decodeInferResponse, encodeInferRequest } from '../../../runtime/oip/infer.ts'
import { createTensor, type Tensor } from '../../../runtime/tensor/tensor.ts'
import type { Ran } from './command.ts'
import { descendants, isAlive, runCommand, runJson, startCommand, startedOf } from './command.ts'

const shared = (path: string) => fileURLToPath(new URL(`../../../../shared/${path}`, import.meta.url))
const silero = fileURLToPath(
  new URL('../../../node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx', import.meta.url),
)

describe('the command line against a registry and a scoring server', () => {
  let folder: string
  let up: ReturnType<typeof startCommand>
  let env: Record<string, string>
  let scoring: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'selvedge-stack-'))
    const args = ['up', '--data', join(folder, 'data'), '--registry-port', '0', '--scoring-port', '0', '--json']
    up = startCommand([...args, '--scorers', '1'])
    const started = await startedOf(up)
    env = { SELVEDGE_REGISTRY: started.registry, SELVEDGE_SCORING: started.scoring }
    scoring = started.scoring
  }, 60_000)

  afterAll(async () => {
    up.kill('SIGTERM')
    await new Promise((resolve) => (up.exitCode === null ? up.once('exit', resolve) : resolve(undefined)))
    await rm(folder, { recursive: true })
  }, 60_000)

  const selvedge = (...args: string[]): Promise<Ran> => runCommand(args, { env })
  const json = (...args: string[]) => runJson(args, env)
  /** The scoring server follows the registry by its long poll. */
  const served = (endpoint: string) =>
    vi.waitFor(async () => expect((await fetch(`${scoring}v2/models/${endpoint}/ready`)).status).toBe(200), 30_000)

  test('a file that is no model is refused, and no model is made', async () => {
    const file = join(folder, 'bad.onnx')
    await writeFile(file, 'no model')
    const { code, stdout, stderr } = await selvedge('push', 'bad', file)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^MODEL_INVALID: .*\n→ .*\n$/)
    const { models } = await json('status')
    expect(models.map((model: { name: string }) => model.name)).not.toContain('bad')
  })

  test('a token is made, listed without its secret, and revoked', async () => {
    const created = await json('token', 'create', '--role', 'page', '--name', 'shop')
    expect(created).toMatchObject({ role: 'page', name: 'shop', secret: expect.stringMatching(/^page_/) })
    const listed = await json('token', 'list')
    const { secret, ...shown } = created
    expect(listed).toContainEqual(shown)
    expect(JSON.stringify(listed)).not.toContain(secret)
    expect((await selvedge('token', 'revoke', created.id)).code).toBe(0)
    expect(await json('token', 'list')).toEqual([])
  })

  test('AU-06: a page token may not push, and nothing is pushed', async () => {
    const { secret, id } = await json('token', 'create', '--role', 'page')
    const { code, stderr } = await runCommand(['push', 'vad', silero], { env: { ...env, SELVEDGE_TOKEN: secret } })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^FORBIDDEN: .*\n→ .*\n$/)
    expect((await json('status')).models).not.toContainEqual(expect.objectContaining({ name: 'vad' }))
    await selvedge('token', 'revoke', id)
  })

  test('the Silero model is pushed, deployed and answers: a scalar input, sizes without a name', async () => {
    const pushed = await json('push', 'silero', silero)
    expect(pushed).toMatchObject({
      version: 1,
      registered: true,
      description: {
        inputs: [
          { name: 'input', datatype: 'FP32', shape: [-1, -1] },
          { name: 'state', datatype: 'FP32', shape: [2, -1, 128] },
          { name: 'sr', datatype: 'INT64', shape: [] },
        ],
      },
      lacks: [{ what: 'features' }, { what: 'output' }, { what: 'golden' }],
    })
    expect(await json('deploy', 'silero/blue', '--model', 'silero')).toMatchObject({ percent: 100 })
    await served('silero')
    const response = await fetch(`${scoring}v2/models/silero/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        inputs: [
          { name: 'input', datatype: 'FP32', shape: [1, 512], data: new Array(512).fill(0) },
          { name: 'state', datatype: 'FP32', shape: [2, 1, 128], data: new Array(256).fill(0) },
          { name: 'sr', datatype: 'INT64', shape: [], data: [16_000] },
        ],
      }),
    })
    const { outputs } = (await response.json()) as { outputs: { name: string; shape: number[]; data: number[] }[] }
    expect(outputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['output', [1, 1]],
      ['stateN', [2, 1, 128]],
    ])
    // Silence is no speech.
    expect(outputs[0]?.data[0]).toBeLessThan(0.1)
  }, 60_000)

  test('a blob that was lost is healed by pushing again, and the version stays', async () => {
    const pushed = await json('push', 'healed', silero)
    expect(pushed).toMatchObject({ version: 1, registered: true })
    const digest = createHash('sha256').update(readFileSync(silero)).digest('hex')
    const stored = (await readdir(join(folder, 'data'), { recursive: true })).filter(
      (path) => path.endsWith(digest) && !path.startsWith('cache'),
    )
    expect(stored).toHaveLength(1)
    for (const path of stored) await rm(join(folder, 'data', path))
    const again = await json('push', 'healed', silero)
    expect(again).toMatchObject({ version: 1, registered: false, sentBytes: readFileSync(silero).length })
    expect(await json('push', 'healed', silero)).toMatchObject({ version: 1, registered: false, sentBytes: 0 })
  }, 60_000)

  describe.skipIf(!existsSync(shared('models/housing.onnx')))('the housing model', () => {
    const features = ['MedInc', 'HouseAge', 'AveRooms', 'AveBedrms', 'Population', 'AveOccup', 'Latitude', 'Longitude']
    const baseline = ['--baseline', shared('data/california_housing_reference.csv'), '--outcome', 'clf_target']
    const push = ['push', 'housing', shared('models/housing.onnx'), ...baseline]

    test('is refused while its columns are ambiguous, with the flag that settles it', async () => {
      const { code, stderr } = await selvedge(...push)
      expect(code).toBe(1)
      expect(stderr).toContain('BASELINE_INVALID: the model takes 8 columns and the file has 11 numeric ones')
      expect(stderr).toContain(`--features ${features.join(',')}`)
    })

    const args = [...push, '--features', features.join(','), '--tag', 'team=risk', '--why', 'November data']
    let pushed: Record<string, unknown>
    let golden: Record<'reference' | 'analysis', { rows: number[][]; probabilities: number[] }>

    // biome-ignore lint/suspicious/noDuplicateTestHooks: the rule takes this block, made by skipIf, for the one around it
    beforeAll(async () => {
      pushed = await json(...args)
      await json('deploy', 'housing/blue', '--model', 'housing@1')
      await served('housing')
      golden = JSON.parse(await readFile(shared('models/housing.golden.json'), 'utf8'))
    }, 60_000)

    test('is pushed once, however often it is pushed', async () => {
      expect(pushed).toMatchObject({ version: 1, registered: true, hasProfile: true, hasGolden: true, lacks: [] })
      expect(pushed.sentBytes).toBeGreaterThan(0)
      expect(await json(...args)).toEqual({ ...pushed, registered: false, sentBytes: 0 })
    }, 60_000)

    test.each(['reference', 'analysis'] as const)(
      'answers the %s rows in JSON and in binary within 1e-5',
      async (set) => {
        const { rows, probabilities } = golden[set]
        const x = Float32Array.from(rows.flat())
        const shape = [rows.length, 8]
        const inJson = await infer(JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape, data: [...x] }] }))
        const { body, headerLength } = encodeInferRequest({ x: createTensor('FP32', shape, x) })
        const inBinary = await infer(body, { 'inference-header-content-length': String(headerLength) })
        for (const { data } of [inJson, inBinary]) {
          const differences = Array.from(data as ArrayLike<number>, (score, i) =>
            Math.abs(score - (probabilities[i] ?? 9)),
          )
          expect(differences).toHaveLength(probabilities.length)
          expect(Math.max(...differences)).toBeLessThanOrEqual(1e-5)
        }
      },
    )

    async function infer(
      body: string | Uint8Array<ArrayBuffer>,
      headers: Record<string, string> = {},
    ): Promise<Tensor> {
      const response = await fetch(`${scoring}v2/models/housing/infer`, { method: 'POST', headers, body })
      expect(response.status).toBe(200)
      const length = response.headers.get('inference-header-content-length')
      const answer = decodeInferResponse(await response.bytes(), length === null ? undefined : Number(length))
      if (answer.outputs.probabilities === undefined) throw new Error('the answer has no probabilities')
      return answer.outputs.probabilities
    }

    test('scores the rows of a CSV file as its golden samples say, within 1e-5', async () => {
      for (const [set, file] of [
        ['reference', 'california_housing_reference.csv'],
        ['analysis', 'california_housing_analysis.csv'],
      ] as const) {
        const lines = (await readFile(shared(`data/${file}`), 'utf8')).split('\n').slice(0, 6)
        const { code, stdout, stderr } = await runCommand(['score', 'housing', '-', '--json'], {
          env,
          stdin: lines.join('\n'),
        })
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
        const rows = JSON.parse(stdout) as { class: string; scores: Record<string, number>; deployment: string }[]
        expect(rows).toHaveLength(5)
        const scores = rows.flatMap((row) => [row.scores['0'] ?? Number.NaN, row.scores['1'] ?? Number.NaN])
        const differences = scores.map((score, i) => Math.abs(score - (golden[set].probabilities[i] ?? Number.NaN)))
        expect(Math.max(...differences)).toBeLessThanOrEqual(1e-5)
        expect(rows.every((row) => row.deployment === 'blue')).toBe(true)
      }
    }, 60_000)

    test('names the columns that were not sent, for people', async () => {
      const [header = '', row = ''] = (await readFile(shared('data/california_housing_analysis.csv'), 'utf8')).split(
        '\n',
      )
      const { stdout, stderr } = await runCommand(['score', 'housing', '-'], { env, stdin: `${header}\n${row}\n` })
      expect(stderr).toBe('not sent, no features of housing: id, timestamp, y_pred_proba, y_pred\n')
      expect(stdout.split('\n')[0]).toBe('ROW  CLASS         0         1  DEPLOYMENT  VERSION  PROVIDER')
    })

    test('keeps the deployment of a unit, and splits units as the traffic says', async () => {
      await json('deploy', 'housing/green', '--model', 'housing@1')
      expect(await json('traffic', 'housing', 'blue=50', 'green=50')).toMatchObject({ split: { blue: 50, green: 50 } })
      const lines = (await readFile(shared('data/california_housing_analysis.csv'), 'utf8')).split('\n').slice(0, 101)
      const score = async () => {
        const { stdout } = await runCommand(['score', 'housing', '-', '--unit-column', 'id', '--json'], {
          env,
          stdin: lines.join('\n'),
        })
        return (JSON.parse(stdout) as { deployment: string }[]).map((row) => row.deployment)
      }
      // Until the plan has arrived, all of them are blue's.
      await expect.poll(async () => new Set(await score()), { timeout: 30_000 }).toEqual(new Set(['blue', 'green']))
      expect(await score()).toEqual(await score())
    }, 60_000)

    test('AP-17: a split that sums to 99 is refused and changes nothing', async () => {
      const before = await json('traffic', 'housing')
      const { code, stderr } = await selvedge('traffic', 'housing', 'blue=90', 'green=9')
      expect(code).toBe(1)
      expect(stderr).toMatch(/^TRAFFIC_INVALID: .*99.*\n→ .*\n$/)
      expect(await json('traffic', 'housing')).toEqual(before)
    })

    test('refuses a record with an unknown value, and says which', async () => {
      const { code, stderr } = await runCommand(['score', 'housing', '-'], { env, stdin: '[{"MedInc":"high"}]' })
      expect(code).toBe(1)
      expect(stderr).toMatch(/^FEATURE_INVALID: .*MedInc.*\n→ .*\n$/)
    })
  })
})

describe('selvedge up', () => {
  test('ends both servers when it is told to, and leaves no process', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'selvedge-up-'))
    const up = startCommand(['up', '--data', folder, '--registry-port', '0', '--scoring-port', '0', '--json'])
    try {
      await startedOf(up)
      const family = descendants(up.pid ?? 0)
      expect(family.length).toBeGreaterThanOrEqual(2)
      up.kill('SIGINT')
      const code = await new Promise((resolve) => up.once('exit', resolve))
      expect({ code, left: family.filter(isAlive) }).toEqual({ code: 0, left: [] })
    } finally {
      up.kill('SIGKILL')
      await rm(folder, { recursive: true })
    }
  }, 60_000)

  test('ends with 1 and the name of a server that died, and ends the other one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'selvedge-up-'))
    const up = startCommand(['up', '--data', folder, '--registry-port', '0', '--scoring-port', '0', '--json'])
    try {
      const { stderr } = up
      let said = ''
      stderr?.on('data', (chunk) => {
        said += chunk
      })
      await startedOf(up)
      const family = descendants(up.pid ?? 0)
      const [registry = 0] = family
      process.kill(registry, 'SIGKILL')
      const code = await new Promise((resolve) => up.once('close', resolve))
      expect({ code, left: family.filter(isAlive) }).toEqual({ code: 1, left: [] })
      expect(said).toContain('the registry ended by SIGKILL')
    } finally {
      up.kill('SIGKILL')
      await rm(folder, { recursive: true })
    }
  }, 60_000)

  test('leaves no server behind when it is killed itself', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'selvedge-up-'))
    const up = startCommand(['up', '--data', folder, '--registry-port', '0', '--scoring-port', '0', '--json'])
    try {
      await startedOf(up)
      const family = descendants(up.pid ?? 0)
      up.kill('SIGKILL')
      await expect.poll(() => family.filter(isAlive), { timeout: 40_000 }).toEqual([])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }, 60_000)

  test.each([
    ['warn', false],
    ['info', true],
  ])(
    'for people, with SELVEDGE_LOG=%s, the lines of the servers that say all is well are written: %s',
    async (level, written) => {
      const folder = await mkdtemp(join(tmpdir(), 'selvedge-up-'))
      const up = startCommand(['up', '--data', folder, '--registry-port', '0', '--scoring-port', '0'], {
        ...(level === 'info' && { SELVEDGE_LOG: level }),
      })
      try {
        let said = ''
        up.stderr?.on('data', (chunk) => {
          said += chunk
        })
        await vi.waitFor(() => expect(said).toContain('Ctrl-C ends both.'), 30_000)
        const gone = new Promise((resolve) => up.once('close', resolve))
        up.kill('SIGINT')
        await gone
        // Each of both says that it ends.
        expect(said.split('"event":"ending"').length - 1 === 2).toBe(written)
      } finally {
        up.kill('SIGKILL')
        await rm(folder, { recursive: true })
      }
    },
    60_000,
  )

  test('hands --public-url to the registry', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'selvedge-up-'))
    try {
      const flags = ['--data', folder, '--registry-port', '0', '--public-url', 'nowhere']
      for (const command of [['up', '--scoring-port', '0'], ['registry']]) {
        const { code, stderr } = await runCommand([...command, ...flags])
        expect({ code, stderr }).toEqual({
          code: 1,
          stderr: expect.stringContaining('--public-url: got \\"nowhere\\"'),
        })
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  }, 60_000)

  test('does not start on another address without tokens', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'selvedge-up-'))
    try {
      const flags = ['--data', folder, '--registry-port', '0', '--scoring-port', '0']
      const { code, stderr } = await runCommand(['up', ...flags, '--host', '0.0.0.0'])
      expect(code).toBe(1)
      expect(stderr).toContain('REFUSED_TO_START: the registry ended with code 1')
    } finally {
      await rm(folder, { recursive: true })
    }
  }, 60_000)
})
