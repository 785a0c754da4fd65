/** ONNX's backend models through the sessions of a server. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { ExecutionProvider } from '../../../runtime/contract/names.ts'
import { openNodeSession } from '../../../runtime/providers/node.ts'
import type { Tensors } from '../../../runtime/tensor/tensor.ts'
import { differences, readCase } from './compare.ts'
import { unsupported } from './unsupported.ts'

const folder = fileURLToPath(new URL('../../../../shared/models/onnx-backend', import.meta.url))
const names = existsSync(folder) ? readdirSync(folder) : []

// StringNormalizer changes case by the system's own locale, which a slim Linux does not have.
const changingCase = [
  'test_strnorm_model_monday_casesensintive_lower',
  'test_strnorm_model_monday_casesensintive_upper',
  'test_strnorm_model_monday_empty_output',
  'test_strnorm_model_monday_insensintive_upper_twodim',
]

describe.skipIf(names.length === 0).each(['cpu', 'wasm'] as const)('ONNX backend models on %s in Node', (provider) => {
  const refused = provider === 'cpu' && !hasLocale() ? changingCase : []
  const supported = names.filter((name) => unsupported[name] === undefined && !refused.includes(name))

  test.each(supported)('%s gives its expected outputs', async (name) => {
    const { network, inputs, expected } = await readModelCase(name)
    expect(differences(await run(network, provider, inputs), expected)).toEqual([])
  })

  test.each(Object.entries(unsupported))('%s is refused for want of %s', async (name, kernel) => {
    const { network, inputs } = await readModelCase(name)
    await expect(run(network, provider, inputs)).rejects.toMatchObject({
      code: 'OPERATOR_UNKNOWN',
      message: expect.stringContaining(`Could not find an implementation for ${kernel}`),
    })
  })

  test.each(refused)('%s is refused for want of the locale en_US.UTF-8', async (name) => {
    const { network, inputs } = await readModelCase(name)
    await expect(run(network, provider, inputs)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('en_US.UTF-8'),
    })
  })
})

function readModelCase(name: string) {
  return readCase((path) => readFile(join(folder, name, path)))
}

async function run(network: Uint8Array, provider: ExecutionProvider, inputs: Tensors): Promise<Tensors> {
  const session = await openNodeSession({ network, externalData: [] }, provider)
  try {
    return await session.run(inputs)
  } finally {
    await session.close()
  }
}

function hasLocale(): boolean {
  if (process.platform !== 'linux') return true
  const listing = '/usr/bin/locale'
  return existsSync(listing) && /^en_US\.utf-?8$/im.test(execFileSync(listing, ['-a'], { encoding: 'utf8' }))
}
