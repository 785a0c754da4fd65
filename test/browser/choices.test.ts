import { expect, test } from 'vitest'
import { openChoices, openTrials } from '../../browser/choices.ts'

test('a choice is there at the next visit, and only on the same host', async () => {
  const manifest = `sha256:${crypto.randomUUID()}`
  const choice = {
    variant: 'fp16',
    provider: 'webgpu' as const,
    why: 'webgpu fp16, 1.9 × wasm fp32, parity 2e-6',
    spare: { variant: 'fp32', provider: 'wasm' as const },
  }
  await openChoices('adapter 1, ort 1').write(manifest, choice)
  expect(await openChoices('adapter 1, ort 1').read(manifest)).toEqual(choice)
  expect(await openChoices('adapter 1, ort 2').read(manifest)).toBeUndefined()
  expect(await openChoices('adapter 1, ort 1').read('sha256:another')).toBeUndefined()
})

test('a trial of threads is there at the next visit, only on the same host, until it is forgotten', async () => {
  const manifest = `sha256:${crypto.randomUUID()}`
  const trial = { threads: 4, oneMs: 16, manyMs: 10 }
  await openTrials('8 cores, ort 1').write(manifest, trial)
  expect(await openTrials('8 cores, ort 1').read(manifest)).toEqual(trial)
  expect(await openTrials('4 cores, ort 1').read(manifest)).toBeUndefined()
  await openTrials('8 cores, ort 1').forget(manifest)
  expect(await openTrials('8 cores, ort 1').read(manifest)).toBeUndefined()
})
