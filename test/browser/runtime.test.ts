import { expect, test } from 'vitest'
import type { Build, WebOrt } from '../../browser/builds.ts'
import { explainRuntime, startRuntime } from '../../browser/runtime.ts'
import { noStore } from '../../browser/store/none.ts'
import { digestOf } from '../../runtime/bytes.ts'
import type { Plan } from '../../runtime/contract/plan.ts'
import { SelvedgeError } from '../../runtime/errors.ts'

/** The smallest WebAssembly module. */
const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
const gpu = { absent: 'not asked for' }
const registry = 'http://127.0.0.1:1'

async function buildOf(bytes: Uint8Array<ArrayBuffer>) {
  const wasm: WebOrt['env']['wasm'] = {}
  const ort = { env: { wasm }, InferenceSession: { create: () => Promise.reject(new Error('no session')) }, Tensor: 0 }
  const build: Build = { wasm: 'ort-wasm-simd-threaded.wasm', digest: await digestOf(bytes), load: async () => ort }
  return { build, wasm }
}

const start = (build: Build, stored: () => Uint8Array<ArrayBuffer> | undefined) =>
  startRuntime({
    build,
    gpu,
    registry,
    source: { store: { ...noStore, readDocument: async () => stored() } },
    progress: () => undefined,
  })

test('ONNX Runtime gets the module that was compiled beside the proof, and others get what they ask for', async () => {
  const { build, wasm } = await buildOf(module)
  const runtime = start(build, () => module)
  await runtime.underWay
  await runtime.session()
  const stand = new Uint8Array(wasm.wasmBinary as ArrayBuffer)
  expect((await WebAssembly.instantiate(stand)).instance).toBeInstanceOf(WebAssembly.Instance)
  await expect(WebAssembly.instantiate(new Uint8Array(8))).rejects.toThrow(WebAssembly.CompileError)
  expect((await WebAssembly.instantiate(module)).module).toBeInstanceOf(WebAssembly.Module)
})

test('BR-01: stored bytes that are not those of this worker are never run; a later call takes the right ones', async () => {
  const { build, wasm } = await buildOf(module)
  const other = Uint8Array.of(...module, 0, 1, 0)
  let stored = other
  const runtime = start(build, () => stored)
  await runtime.underWay
  await expect(runtime.session()).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
  expect(wasm.wasmBinary).toBeUndefined()
  stored = module
  await runtime.session()
  expect(wasm.wasmBinary).toBeDefined()
})

test('a registry that serves another version of ONNX Runtime is named as the reason', async () => {
  const { build } = await buildOf(module)
  const plan = (digest: string) => ({ runtime: { ort: '9.9.9', files: { [build.wasm]: digest } } }) as unknown as Plan
  const error = new SelvedgeError('REGISTRY_UNREACHABLE', 'status 404')
  expect(explainRuntime(error, build, plan(build.digest))).toBe(error)
  const explained = explainRuntime(error, build, plan('sha256:another'))
  expect(explained).toMatchObject({ code: 'PROVIDER_UNAVAILABLE' })
  expect(String(explained)).toContain('the registry serves that of 9.9.9')
})
