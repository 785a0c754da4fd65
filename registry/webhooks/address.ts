/**
 * Where webhooks may be: what anyone reaches over https, and what the operator allows. A name is looked up when a webhook is
 * made, and the socket of each call goes to an address that was looked at: a name that changes meanwhile leads nowhere else.
 */
import { lookup as lookUp } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { SelvedgeError } from '../../runtime/errors.ts'
import { openBlocks } from '../../runtime/network.ts'

export interface Addresses {
  /** @throws {@link SelvedgeError} `INVALID_REQUEST` for one that may not be called, whatever its name leads to */
  parse(url: string): URL
  /** @throws {@link SelvedgeError} `INVALID_REQUEST` also for one whose name leads to nothing that may be called */
  demand(url: string): Promise<void>
  /** Of sockets: fails where a name leads to an address that may not be called. */
  lookup(url: URL): LookupFunction
}

/** Of IPv4, what is not global unicast (IANA's registry of special purposes, and multicast). */
const special4 = openBlocks(
  '0.0.0.0/8,10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,169.254.0.0/16,172.16.0.0/12,192.0.0.0/24,192.0.2.0/24,192.88.99.0/24,' +
    '192.168.0.0/16,198.18.0.0/15,198.51.100.0/24,203.0.113.0/24,224.0.0.0/3',
  'special addresses',
)

/** Of IPv6 all global unicast is here, but for protocols and tunnels (Teredo, 6to4), which lead into other networks. */
const global6 = openBlocks('2000::/3', 'global addresses')
const special6 = openBlocks('2001::/23,2001:db8::/32,2002::/16,3fff::/20', 'special addresses')

/** Databases, queues and control planes that would take a request for a command. */
const refusedPorts = new Set([
  1433, 1521, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 5432, 5672, 5900, 5984, 6000, 6379, 6380, 9042, 9092, 9200,
  9300, 10_250, 11_211, 27_017, 27_018, 27_019,
])

/** @param networks - addresses and CIDR blocks that the operator allows, with commas between them */
export function openAddresses(networks = '', resolve: typeof lookUp = lookUp): Addresses {
  const allowed = openBlocks(networks, 'networks of webhooks')

  function mayCall(address: string, { protocol }: URL): boolean {
    return allowed.has(address) || (protocol === 'https:' && isPublic(address))
  }

  function lookup(url: URL): LookupFunction {
    return (host, options, callback) => {
      resolve(host, { ...options, all: true }, (error, found) => {
        const [first] = found ?? []
        if (error !== null || first === undefined) return callback(error ?? new Error(`no address of ${host}`), '', 0)
        // One that is refused is enough: which one a socket takes is not told beforehand.
        const isRefused = found.some(({ address }) => !mayCall(address, url))
        if (isRefused) return callback(Object.assign(new Error('refused'), { code: 'ADDRESS_REFUSED' }), '', 0)
        if (options.all) return callback(null, found)
        callback(null, first.address, first.family)
      })
    }
  }

  function parse(text: string): URL {
    const url = parseUrl(text)
    // Sockets do not look literal addresses up.
    const host = hostOf(url)
    if (isIP(host) !== 0 && !mayCall(host, url)) throw refuse(refused)
    return url
  }

  return {
    lookup,
    parse,
    async demand(text) {
      const url = parse(text)
      const host = hostOf(url)
      const why = isIP(host) === 0 ? await lookUpOnce(host, lookup(url)) : undefined
      if (why !== undefined) throw refuse(why)
    },
  }
}

/** The address is not repeated, since it may hold a secret. */
function refuse(why: string): SelvedgeError {
  return new SelvedgeError('INVALID_REQUEST', `webhook: its address is refused: ${why}`)
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '')
}

const refused =
  'it leads where the registry does not call; want https to a public address, or one of SELVEDGE_WEBHOOK_NETWORKS'

/** Why it may not be called. */
function lookUpOnce(host: string, lookup: LookupFunction): Promise<string | undefined> {
  return new Promise((settle) => {
    lookup(host, { all: true }, (error) => {
      if (error === null) settle(undefined)
      else settle(error.code === 'ADDRESS_REFUSED' ? refused : `the name of its host cannot be looked up`)
    })
  })
}

function isPublic(address: string): boolean {
  if (isIP(address) === 4) return !special4.has(address)
  return global6.has(address) && !special6.has(address)
}

/** @throws {@link SelvedgeError} `INVALID_REQUEST` */
function parseUrl(text: string): URL {
  // The parser drops line ends and tabs.
  if (!/^[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) throw refuse('want a URL in printable ASCII')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refuse('want https')
  if (url.username !== '' || url.password !== '') throw refuse('want no user and no password')
  if (text.includes('#')) throw refuse('want no fragment')
  const port = Number(url.port)
  if (url.port !== '' && port !== 80 && port !== 443 && (port < 1024 || refusedPorts.has(port))) {
    throw refuse('want port 80, 443, or one from 1024 on that is not of a database')
  }
  return url
}
