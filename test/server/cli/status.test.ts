import { describe, expect, test } from 'vitest'
import { type Rollout, rolloutBody } from '../../../runtime/contract/rollout.ts'
import { latencyEdgesMs } from '../../../runtime/contract/telemetry.ts'
import { renderStatus, type Status } from '../../../server/cli/status.ts'

const now = Date.parse('2026-11-24T10:00:00Z')
const at = '2026-11-24T09:57:00.000Z'

const status: Status = {
  registry: 'http://127.0.0.1:4400/',
  scoring: { url: 'http://127.0.0.1:4401/', ready: false, why: 'NOT_READY: nothing to serve yet' },
  models: [{ name: 'digits', createdAt: at, tags: { team: 'vision', '\x1b[2J': 'x' }, latestVersion: 2 }],
  endpoints: [
    {
      endpoint: {
        name: 'digits',
        createdAt: at,
        scheme: 'murmur3-ppm-1',
        salt: 'digits:1',
        revision: 7,
        deployments: [
          { name: 'blue', model: 'digits', version: 1, createdAt: at },
          { name: 'green', model: 'digits', version: 2, createdAt: at },
        ],
        traffic: { split: { blue: 90, green: 10 } },
        ranges: [],
      },
      hosts: [
        {
          sender: 'AAAAAAAAAAAAAAAAAAAAAA',
          endpoint: 'digits',
          revision: 7,
          firstSeenAt: at,
          lastSeenAt: at,
          providers: ['webgpu', 'wasm'],
          device: 'desktop',
          rows: 42,
        },
      ],
      profiles: [
        {
          deployment: 'blue',
          version: 1,
          variant: 'fp32',
          provider: 'wasm',
          device: 'desktop',
          rows: 42,
          counts: {},
          outputs: {},
          latency: new Array(latencyEdgesMs.length + 1).fill(0),
          errors: { RUN_FAILED: 2, DEADLINE_EXCEEDED: 1 },
          tier: 'trusted',
          senders: 1,
        },
      ],
      rollouts: [],
    },
  ],
}

const guard = { metric: 'error_rate', margin: 0.01 } as const

const rollout: Rollout = {
  id: '3',
  endpoint: 'digits',
  deployment: 'green',
  ...rolloutBody.omit({ deployment: true }).parse({ steps: [5, 25, 100], guards: [guard] }),
  state: 'running',
  step: 1,
  percent: 25,
  stepStartedAt: at,
  createdAt: at,
  before: { blue: 100, green: 0 },
  advice: { steps: [], text: '' },
  now: {
    evidence: { at, since: at, units: 20, guards: [{ guard, verdict: 'open', proves: true, comparisons: [] }] },
    waits: ['units: 20 of 500', 'proof of error_rate'],
  },
  history: [{ at, action: 'advanced', percent: 25, revision: 7 }],
}

describe('status', () => {
  test('shows models, deployments with their share, hosts and why scoring is not ready', () => {
    expect(renderStatus(status, false, now)).toBe(`registry  http://127.0.0.1:4400/
scoring   http://127.0.0.1:4401/  not ready (NOT_READY: nothing to serve yet)

MODEL   VERSION  TAGS                MADE
digits        2  team=vision \ufffd[2J=x  3 min ago

DEPLOYMENT    SERVES    TRAFFIC  ROWS/DAY  ERRORS
digits/blue   digits@1     90 %        42       3
digits/green  digits@2     10 %         0       0

HOST      ENDPOINT  DEVICE   PROVIDERS     ROWS  SEEN
AAAAAAAA  digits    desktop  webgpu, wasm    42  3 min ago
`)
  })

  test('shows where a rollout is, since when, what it waits for and what its guards say, and why one was taken back', () => {
    const { now: seen, ...rest } = rollout
    const reverted: Rollout = {
      ...rest,
      state: 'reverted',
      step: 0,
      percent: 5,
      history: [
        {
          at: '2026-11-23T10:00:00.000Z',
          action: 'reverted',
          percent: 0,
          revision: 6,
          why: 'broken: error_rate',
          ...(seen && {
            evidence: { ...seen.evidence, guards: [{ guard, verdict: 'worse', proves: true, comparisons: [] }] },
          }),
        },
      ],
    }
    const endpoints = status.endpoints.map((each) => ({ ...each, rollouts: [rollout, reverted] }))
    const [, , , rollouts] = renderStatus({ ...status, endpoints }, false, now).split('\n\n')
    expect(rollouts).toBe(
      [
        'ROLLOUT       STATE     STEP          SINCE      WAITS FOR, OR WHY                      GUARDS',
        'digits/green  running   25 %, 2 of 3  3 min ago  units: 20 of 500, proof of error_rate  error_rate open',
        'digits/green  reverted  5 %, 1 of 3   24 h ago   broken: error_rate                     error_rate worse',
      ].join('\n'),
    )
  })

  test('of one endpoint shows who counted what', () => {
    const [, , , profiles] = renderStatus(status, true, now).split('\n\n')
    expect(profiles).toBe(
      [
        'DEPLOYMENT  VERSION  VARIANT  PROVIDER  DEVICE   SENDERS  ROWS  ERRORS',
        'blue              1  fp32     wasm      desktop        1    42  RUN_FAILED 2, DEADLINE_EXCEEDED 1',
        '',
      ].join('\n'),
    )
  })

  test('without anything says what to do first', () => {
    const empty: Status = { ...status, scoring: { url: 'http://x/', ready: true }, models: [], endpoints: [] }
    expect(renderStatus(empty, false, now)).toBe(`registry  http://127.0.0.1:4400/
scoring   http://x/  ready

No models. → selvedge push <model> <model.onnx>

No endpoints. → selvedge deploy <endpoint>/<deployment> --model <model>

No host has reported within the last day.
`)
  })
})
