import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openNetworks } from '../../runtime/network.ts'

describe('TE-04: the network of an address', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::ffff', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ])('of %s is %s', (address, network) => {
    expect(openNetworks().of(address)).toBe(network)
  })
})

describe('TE-04: the network of who asks', () => {
  const { of } = openNetworks('10.0.0.0/8, 192.0.2.7, 2001:db8:ffff::/48')

  test('is that of the socket, whatever a header says, where no proxy is trusted', () => {
    expect(openNetworks().of('192.0.2.1', '198.51.100.7')).toBe('192.0.2.1')
    expect(of('203.0.113.1', '198.51.100.7')).toBe('203.0.113.1')
  })

  test.each([
    ['one proxy', '10.1.2.3', '198.51.100.7', '198.51.100.7'],
    ['one whose socket speaks IPv6', '::ffff:10.1.2.3', '198.51.100.7', '198.51.100.7'],
    ['a chain of proxies', '10.1.2.3', '198.51.100.7, 2001:db8:ffff::1,192.0.2.7', '198.51.100.7'],
    ['a proxy that adds to what its caller forged', '10.1.2.3', '1.1.1.1, 10.9.9.9, 198.51.100.7', '198.51.100.7'],
    ['one that names ports', '10.1.2.3', '198.51.100.7:443', '198.51.100.7'],
    ['one that names ports of IPv6', '10.1.2.3', '[2001:db8:1:2::3]:443', '2001:db8:1:2::/64'],
    ['one of its callers in its own network', '10.1.2.3', '10.4.5.6', '10.4.5.6'],
    ['one that does not know', '10.1.2.3', '198.51.100.7, unknown', '10.1.2.3'],
    ['one that says nothing', '10.1.2.3', undefined, '10.1.2.3'],
    ['one just outside of a block', '192.0.2.8', '198.51.100.7', '192.0.2.8'],
  ])('behind %s', (_, peer, forwarded, network) => {
    expect(of(peer, forwarded)).toBe(network)
  })

  test('is never what a caller wrote, whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), (forged) => {
        expect(of('10.1.2.3', `${forged}, 198.51.100.7`)).toBe('198.51.100.7')
        expect(of('203.0.113.1', forged)).toBe('203.0.113.1')
      }),
    )
  })

  test.each([
    '10.0.0.0/33',
    '10.0.0/8',
    '2001:db8::/129',
    '0.0.0.0/0',
    '::/0',
    'proxy.example',
    '10.0.0.1 10.0.0.2',
    '1:2::3::4',
    '10.0.0.0/-1',
    '010.0.0.1',
  ])('is not told where a proxy is named %s', (proxies) => {
    expect(() => openNetworks(proxies)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })
})
