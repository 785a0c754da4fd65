/// <reference types="vite/types/importMeta.d.ts" />
/** ONNX's backend models in a page's worker, with each build of ONNX Runtime that a browser may get. */
import { type Remote, wrap } from 'comlink'
import { afterAll, beforeEach, describe, expect, onTestFailed, test } from 'vitest'
import { keepErrorCodes } from '../../../browser/thrown.ts'
import { type BackendCase, differences, readCase } from '../../conformance/onnx/compare.ts'
import { unsupported } from '../../conformance/onnx/unsupported.ts'
import type { Lacking, SessionApi } from './session-worker.ts'

// They lie beside the repository, where it has them.
const folder = '../../../../shared/models/onnx-backend'
const urls = import.meta.glob<string>('../../../../shared/models/onnx-backend/**/*.{onnx,pb}', {
  query: '?url',
  import: 'default',
})
const names = Object.keys(urls).flatMap((path) => path.match(/([^/]+)\/model\.onnx$/)?.[1] ?? [])

/** The builds with WebGPU lack these kernels, which the one without it has. */
const unsupportedWithWebGpu: Readonly<Record<string, string>> = {
  ...unsupported,
  test_strnorm_model_monday_casesensintive_lower: 'StringNormalizer(10)',
  test_strnorm_model_monday_casesensintive_nochangecase: 'StringNormalizer(10)',
  test_strnorm_model_monday_casesensintive_upper: 'StringNormalizer(10)',
  test_strnorm_model_monday_empty_output: 'StringNormalizer(10)',
  test_strnorm_model_monday_insensintive_upper_twodim: 'StringNormalizer(10)',
  test_strnorm_model_nostopwords_nochangecase: 'StringNormalizer(10)',
}

const opset6 = 'of opset 6: in its own layout (NHWC) WebGPU takes nodes from opset 7 on'
const sequence = 'WebGPU has no kernels for sequences'

/** What ONNX Runtime leaves to the CPU, wholly or in part, in a session on WebGPU. */
const usingCpu: Readonly<Record<string, string>> = {
  test_operator_chunk: opset6,
  test_operator_clip: 'WebGPU has no kernel for Clip(6)',
  test_operator_concat2: opset6,
  test_operator_conv: opset6,
  test_operator_convtranspose: opset6,
  test_operator_exp: opset6,
  test_operator_flatten: opset6,
  test_operator_index: opset6,
  test_operator_max: 'WebGPU has no kernel for Max(6)',
  test_operator_maxpool: opset6,
  test_operator_min: 'WebGPU has no kernel for Min(6)',
  test_operator_pad: opset6,
  test_operator_permute2: opset6,
  test_operator_reduced_mean: opset6,
  test_operator_reduced_mean_keepdim: opset6,
  test_operator_reduced_sum: opset6,
  test_operator_reduced_sum_keepdim: opset6,
  test_operator_selu: 'WebGPU has no kernel for Selu(6)',
  test_operator_sqrt: opset6,
  test_operator_symbolic_override: opset6,
  test_operator_symbolic_override_nested: 'WebGPU has no kernel for Sum(6)',
  test_operator_view: opset6,
  test_sequence_model1: sequence,
  test_sequence_model2: sequence,
  test_sequence_model3: sequence,
  test_sequence_model4: sequence,
  test_sequence_model5: sequence,
  test_sequence_model6: sequence,
  test_sequence_model7: sequence,
  test_sequence_model8: sequence,
  test_shrink: 'WebGPU has no kernel for Shrink(9)',
  test_sign_model: 'WebGPU has no kernel for Sign(9)',
}

const browsers = [
  { browser: 'with WebGPU and JSPI', lacking: '', providers: ['wasm', 'webgpu'], refused: unsupportedWithWebGpu },
  { browser: 'without JSPI', lacking: 'JSPI', providers: ['wasm', 'webgpu'], refused: unsupportedWithWebGpu },
  { browser: 'without WebGPU', lacking: 'WebGPU', providers: ['wasm'], refused: unsupported },
] as const

const patienceMs = 15_000

keepErrorCodes()

// Vite prepares the packages that test files import, but does not look into workers: a package that it finds while one
// runs would be there twice.
if (import.meta.env.SSR) await import('./session-worker.ts')

describe.skipIf(names.length === 0).each(browsers)(
  'ONNX backend models in a browser $browser',
  { timeout: patienceMs },
  ({ lacking, providers, refused }) => {
    const supported = names.filter((name) => refused[name] === undefined)
    let worker: Worker | undefined
    let sessions: Remote<SessionApi>

    function close(): void {
      worker?.terminate()
      worker = undefined
    }
    beforeEach(() => {
      // A run that hangs never lets its worker go.
      onTestFailed(close)
      if (worker !== undefined) return
      worker = openWorker(lacking)
      sessions = wrap<SessionApi>(worker)
    })
    afterAll(close)

    describe.each(providers)('on %s', (provider) => {
      test.each(supported)('%s gives its expected outputs', async (name) => {
        const { network, inputs, expected } = await readModelCase(name)
        expect(differences(await sessions.run(network, provider, inputs), expected)).toEqual([])
      })

      test.each(Object.entries(refused))('%s is refused for want of %s', async (name, kernel) => {
        const { network, inputs } = await readModelCase(name)
        await expect(sessions.run(network, provider, inputs)).rejects.toMatchObject(
          provider === 'wasm'
            ? { code: 'OPERATOR_UNKNOWN', message: expect.stringContaining(`an implementation for ${kernel}`) }
            : { code: 'OPERATOR_UNKNOWN', message: expect.stringContaining(`for ${kernel.replace(/\(.*/, '')} node`) },
        )
      })

      if (provider === 'wasm') return
      test('only the listed models leave nodes to the CPU', async () => {
        const left: string[] = []
        for (const name of supported) {
          if (await sessions.usesCpu(await readFile(`${name}/model.onnx`))) left.push(name)
        }
        expect(left).toEqual(Object.keys(usingCpu))
      })
    })
  },
)

function openWorker(lacking: Lacking): Worker {
  return new Worker(new URL('./session-worker.ts', import.meta.url), { type: 'module', name: lacking })
}

function readModelCase(name: string): Promise<BackendCase> {
  return readCase((path) => readFile(`${name}/${path}`))
}

async function readFile(path: string): Promise<Uint8Array> {
  const url = await urls[`${folder}/${path}`]?.()
  if (url === undefined) throw new Error(`no file ${path}`)
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
  return await response.bytes()
}
