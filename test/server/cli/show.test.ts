import { describe, expect, test } from 'vitest'
import { renderShown, type Shown } from '../../../server/cli/show.ts'

const digest = `sha256:0123456789abcdef${'0'.repeat(48)}`

const shown: Shown = {
  model: 'digits',
  version: 1,
  newestVersion: 2,
  manifest: digest,
  sizeBytes: 33_000,
  createdAt: '2026-11-24T09:57:00.000Z',
  tags: { team: 'vision', '\x1b[2J': 'x' },
  why: 'November data',
  hasProfile: true,
  hasGolden: false,
  probe: { state: 'passed', ort: '1.30.0', at: '2026-11-24T10:00:00.000Z' },
  description: {
    inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 2] }],
    outputs: [{ name: 'p', datatype: 'FP32', shape: ['N', 2] }],
    variants: [{ id: 'fp32', file: 'model.onnx', providers: ['cpu'] }],
    environment: 'onnx-1.30@2',
    provenance: { git: 'abc123', datasets: ['housing@3'], metrics: { accuracy: 0.9 } },
  },
  files: [{ path: 'model.onnx', digest, size: 31_744 }],
  leftOut: [digest],
  aliases: ['champion', 'v1.5'],
  served: [
    { endpoint: 'digits', deployment: 'blue', percent: 90, shadowPercent: 0 },
    { endpoint: 'digits', deployment: 'green', percent: 0, shadowPercent: 5 },
  ],
}

describe('show', () => {
  test('tells what a version is, what it has, and where it is served, within 80 columns', () => {
    const text = renderShown(shown, Date.parse('2026-11-24T10:00:00Z'))
    expect(text).toBe(`version  digits@1; the newest is 2
digest   ${digest}
made     3 min ago, 2026-11-24T09:57:00.000Z
why      November data
tags     team=vision \ufffd[2J=x
aliases  champion, v1.5
served   digits/blue 90 %, digits/green 0 % and shadows 5 %
profile  yes
probe    passed, with ONNX Runtime 1.30.0
golden   no: hosts cannot check their answers
needs    onnx-1.30@2
git      abc123
data     housing@3
metrics  accuracy=0.9

FILE                  SIZE  SHA256
model.onnx        31.0 KiB  0123456789ab
(no single file)            0123456789ab
all               32.2 KiB

        NAME  DATATYPE  SHAPE
input   x     FP32      [N, 2]
output  p     FP32      [N, 2]
variants  fp32 (model.onnx: cpu)
`)
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  })

  test('says that a version is the newest and served nowhere', () => {
    const text = renderShown({ ...shown, newestVersion: 1, served: [], aliases: [] }, Date.now())
    expect(text).toContain('version  digits@1, the newest\n')
    expect(text).toContain('served   nowhere\n')
    expect(text).not.toContain('aliases')
  })

  test('tells of a model of another format that it is stored, and nothing of a signature', () => {
    const { description: _, ...others } = shown
    const probe = { state: 'not-scorable' as const, why: 'none of its files is an .onnx' }
    const text = renderShown({ ...others, probe }, Date.parse('2026-11-24T10:00:00Z'))
    expect(text).toContain('probe    none, it is not scorable here: none of its files is an .onnx\n')
    expect(text).not.toMatch(/^(profile|golden|variants|input)/m)
  })
})
