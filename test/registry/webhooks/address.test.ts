import type { LookupAddress } from 'node:dns'
import { expect, test } from 'vitest'
import { openAddresses } from '../../../registry/webhooks/address.ts'
import { send } from '../../../registry/webhooks/send.ts'
import { openReceiver } from './receiver.ts'

/** A resolver that gives each name these addresses. */
function resolving(...addresses: string[]): Resolve {
  const found = addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 }))
  return ((_: string, __: object, done: (error: null, found: LookupAddress[]) => void) => done(null, found)) as never
}

type Resolve = NonNullable<Parameters<typeof openAddresses>[1]>

const refusal = expect.objectContaining({ code: 'INVALID_REQUEST' })

test.each([
  '2130706433',
  '0x7f.1',
  '0177.0.0.1',
  '127.1',
  '0',
  '10.1.2.3',
  '172.31.255.255',
  '192.168.0.1',
  '169.254.169.254',
  '100.64.0.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '[::]',
  '[::1]',
  '[::ffff:169.254.169.254]',
  '[::ffff:8.8.8.8]',
  '[::127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[2001::1]',
  '[2002:7f00:1::]',
  '[fe80::1]',
  '[fd00::1]',
  '[ff02::1]',
])('WH-01 host %s is refused', async (host) => {
  await expect(openAddresses().demand(`https://${host}/`)).rejects.toEqual(refusal)
})

test('WH-01 circled digits are refused', async () => {
  await expect(openAddresses().demand('https://①②⑦.⓪.⓪.①/')).rejects.toEqual(refusal)
})

test.each(['127.0.0.1', '::ffff:10.0.0.1', '100.100.100.100', '93.184.215.14 10.0.0.1', '2606:4700::1 fd00::1'])(
  'WH-01 a name that leads to %s is refused when it is made and by the socket of a call',
  async (found) => {
    const { demand, lookup } = openAddresses('', resolving(...found.split(' ')))
    await expect(demand('https://hooks.example/')).rejects.toEqual(refusal)
    const error = await new Promise((settle) =>
      lookup(new URL('https://hooks.example/'))('hooks.example', { all: true }, (error) => settle(error)),
    )
    expect(error).toMatchObject({ code: 'ADDRESS_REFUSED' })
  },
)

test('WH-01 a name that leads to this machine only after the webhook was made is not called', async () => {
  await using receiver = await openReceiver()
  const { port } = new URL(receiver.url)
  const url = `https://hooks.example:${port}/`
  const answers = [resolving('93.184.215.14'), resolving('127.0.0.1')]
  const addresses = openAddresses('', ((...asked: Parameters<Resolve>) => answers.shift()?.(...asked)) as Resolve)
  await addresses.demand(url)
  const call = { url, headers: {}, body: '' }
  expect(await send(addresses, call, new AbortController().signal)).toMatchObject({ why: 'ADDRESS_REFUSED' })
  expect(receiver.received).toEqual([])
})

test('WH-01 a name of this machine is refused', async () => {
  await expect(openAddresses().demand('https://localhost./')).rejects.toEqual(refusal)
})

test.each([
  ['https://8.8.8.8/hook?a=1'],
  ['https://8.8.8.8:8443/'],
  ['https://[2606:4700::1111]/'],
  ['http://10.1.2.3/'],
  ['https://10.1.2.3:50000/'],
  ['http://[fd00::1]:8080/'],
])('%s may be called where the operator allows 10.0.0.0/8 and fd00::/8', async (url) => {
  const addresses = openAddresses('10.0.0.0/8, fd00::/8')
  expect(addresses.parse(url).href).toBe(url)
  await expect(addresses.demand(url)).resolves.toBeUndefined()
})

test.each([
  'http://8.8.8.8/',
  'file:///etc/passwd',
  'gopher://8.8.8.8/',
  'ftp://8.8.8.8/',
  'https://user@8.8.8.8/',
  'https://user:pass@8.8.8.8/',
  'https://8.8.8.8:22/',
  'https://8.8.8.8:25/',
  'https://8.8.8.8:6379/',
  'https://8.8.8.8/#fragment',
  'https://8.8.8.8/\r\nx: y',
  ' https://8.8.8.8/',
  'no address',
])('WH-04 %j is refused, and is not repeated', async (url) => {
  const failed = await openAddresses('10.0.0.0/8')
    .demand(url)
    .catch((thrown: unknown) => thrown)
  expect(failed).toEqual(refusal)
  expect(String(failed)).not.toContain(url)
})

test.each(['10.0.0.0/33', '0.0.0.0/0', 'intranet'])('networks named %s are refused at the start', (networks) => {
  expect(() => openAddresses(networks)).toThrow(expect.objectContaining({ code: 'USAGE' }))
})
