import { describe, expect, test } from 'vitest'
import { openDrifted, openMonitored } from './fixture.ts'

describe('the drift page', () => {
  test('says the verdicts with what they rest on, those that drift first, and asks nothing of the network', async () => {
    await using fixture = await openDrifted()
    const answer = await fixture.request('/endpoints/e/drift?monitor=mine')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    const text = await answer.text()
    expect(text).toContain('<h1>Drift of e: drift</h1>')
    const verdicts = Array.from(text.matchAll(/<th scope="row">(\w+)<\/th><td>([a-z ]+)/g), ([, name, said]) => [
      name,
      said,
    ])
    expect(verdicts[0]).toEqual(['a', 'drift'])
    expect(verdicts).toContainEqual(['b', 'no drift'])
    expect(/<script|src=|undefined|NaN,|± NaN/.test(text)).toBe(false)
  })

  test('says what is lacking where nothing was counted yet', async () => {
    await using fixture = await openMonitored()
    const text = await (await fixture.request('/endpoints/e/drift')).text()
    expect(text).toContain('Drift of e: not enough to tell')
    expect(text).toContain('more senders')
    expect((await fixture.request('/endpoints/none/drift')).status).toBe(404)
    expect((await fixture.request('/endpoints/e/drift?monitor=<b>')).status).toBe(400)
  })
})
