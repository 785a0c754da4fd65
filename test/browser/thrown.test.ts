import { expose, wrap } from 'comlink'
import { describe, expect, test } from 'vitest'
import { keepErrorCodes } from '../../browser/thrown.ts'
import { SelvedgeError } from '../../runtime/errors.ts'

describe('errors across a message port', () => {
  test('keep their code and detail', async () => {
    keepErrorCodes()
    const { port1, port2 } = new MessageChannel()
    const thrown = new SelvedgeError('SHAPE_MISMATCH', 'input "x": got [1], want [2]', { input: 'x' })
    expose({ fail: () => Promise.reject(thrown), crash: () => Promise.reject(new Error('at /secret/path')) }, port1)
    const remote = wrap<{ fail(): Promise<void>; crash(): Promise<void> }>(port2)
    await expect(remote.fail()).rejects.toEqual(thrown)
    await expect(remote.crash()).rejects.toMatchObject({ code: 'INTERNAL', message: 'an unexpected error' })
    port1.close()
    port2.close()
  })
})
