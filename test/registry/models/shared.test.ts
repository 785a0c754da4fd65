import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openFixture, pushModel } from '../fixture.ts'

const folder = new URL('../../../../shared/models/', import.meta.url)
const present = existsSync(folder)
const names = present ? readdirSync(folder).filter((name) => name.endsWith('.onnx')) : []

describe('models that others exported', () => {
  test.skipIf(!present)('are registered as they are, with the signature in their file', async () => {
    await using fixture = await openFixture()
    for (const name of names) {
      const model = name.replace('.onnx', '').replaceAll('_', '-')
      const answer = await pushModel(fixture, model, '1', {
        [name]: new Uint8Array(readFileSync(new URL(name, folder))),
      })
      expect({ name, status: answer.status, body: await answer.text() }).toEqual({ name, status: 201, body: '' })
    }
    const housing = await (await fixture.request('/api/v1/models/housing/versions/1')).json()
    expect(housing).toMatchObject({ description: { variants: [{ id: 'fp32', file: 'housing.onnx' }] } })
  })
})
