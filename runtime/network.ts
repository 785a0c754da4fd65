/** Which network a caller is in: what one party can take addresses from at will counts as one. */
import { SelvedgeError } from './errors.ts'

/** Addresses and CIDR blocks. */
export interface Blocks {
  /** False for what is no address. */
  has(address: string): boolean
}

export interface Networks {
  /**
   * The network of who asks: an IPv4 address as it is, in whatever form it came; of an IPv6 address the /64, which is the least
   * that a party gets. Headers are believed of trusted proxies alone, since anyone can write them: behind those it is the
   * rightmost address of `X-Forwarded-For` that is none of them.
   *
   * @param peer - of the socket
   */
  of(peer: string, forwardedFor?: string): string
}

/** 16-bit groups, of IPv4 those of its mapped form. */
type Address = readonly number[]

interface Block {
  address: Address
  bits: number
}

/**
 * @param list - addresses and CIDR blocks, with commas between them
 * @param what - they are, for the message
 * @throws {@link SelvedgeError} `USAGE` for a part that is neither
 */
export function openBlocks(list: string, what: string): Blocks {
  const blocks = parseBlocks(list, what)
  return {
    has(text) {
      const address = parseAddress(text)
      return address !== undefined && blocks.some((block) => isIn(block, address))
    },
  }
}

/**
 * @param proxies - addresses and CIDR blocks of proxies that are trusted, with commas between them
 * @throws {@link SelvedgeError} `USAGE` for a part that is neither
 */
export function openNetworks(proxies = ''): Networks {
  const trusted = parseBlocks(proxies, 'trusted proxies')
  const isTrusted = (address: Address) => trusted.some((block) => isIn(block, address))
  return {
    of(peer, forwardedFor = '') {
      let caller = parseAddress(peer)
      if (caller === undefined) return peer
      const hops = trusted.length === 0 ? [] : forwardedFor.split(',')
      while (isTrusted(caller)) {
        // What a proxy could not tell it tells of itself.
        const before = parseHop(hops.pop() ?? '')
        if (before === undefined) break
        caller = before
      }
      return networkOf(caller)
    },
  }
}

function networkOf(address: Address): string {
  if (isMapped(address)) return [address[6], address[7]].flatMap((group = 0) => [group >> 8, group & 255]).join('.')
  const first = address.slice(0, 4).map((group) => group.toString(16))
  return `${first.join(':')}::/64`
}

function isMapped(address: Address): boolean {
  return address.slice(0, 5).every((group) => group === 0) && address[5] === 0xffff
}

function parseBlocks(list: string, what: string): Block[] {
  return list.split(',').flatMap((part) => (part.trim() === '' ? [] : [parseBlock(part.trim(), what)]))
}

/** @throws {@link SelvedgeError} `USAGE` */
function parseBlock(text: string, what: string): Block {
  const [, base = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const address = parseAddress(base)
  // Lengths of IPv4 are those of its mapped form, too.
  const shift = base.includes(':') ? 0 : 96
  const bits = length === undefined ? 128 : Number(length) + shift
  // A block of all addresses would trust anyone.
  if (address !== undefined && bits > shift && bits <= 128) return { address, bits }
  throw new SelvedgeError('USAGE', `${what}: got "${text}", want an address or a block such as 10.0.0.0/8`)
}

function isIn({ address, bits }: Block, other: Address): boolean {
  return address.every((group, i) => {
    const left = Math.max(0, Math.min(16, bits - 16 * i))
    return (group ^ (other[i] ?? 0)) >> (16 - left) === 0
  })
}

/** As proxies write it: an address, some with its port. */
function parseHop(text: string): Address | undefined {
  const [, inBrackets, plain] = /^\s*(?:\[([^\]]*)\](?::\d+)?|([^:]*):\d+|)\s*$/.exec(text) ?? []
  return parseAddress(inBrackets ?? plain ?? text.trim())
}

function parseAddress(text: string): Address | undefined {
  const [bare = ''] = text.split('%')
  if (!bare.includes(':')) {
    const groups = parseQuad(bare)
    return groups && [0, 0, 0, 0, 0, 0xffff, ...groups]
  }
  const [head = '', tail, ...more] = bare.split('::')
  const [before, after] = [parseGroups(head), parseGroups(tail ?? '')]
  if (before === undefined || after === undefined || more.length > 0) return undefined
  const missing = 8 - before.length - after.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  return [...before, ...new Array<number>(missing).fill(0), ...after]
}

function parseGroups(part: string): number[] | undefined {
  if (part === '') return []
  const groups = part.split(':').map((group) => {
    if (group.includes('.')) return parseQuad(group)
    return /^[0-9a-f]{1,4}$/i.test(group) ? [Number.parseInt(group, 16)] : undefined
  })
  return groups.some((group) => group === undefined) ? undefined : groups.flatMap((group) => group ?? [])
}

function parseQuad(text: string): number[] | undefined {
  const parts = text.split('.')
  const [a = 0, b = 0, c = 0, d = 0] = parts.map(Number)
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return undefined
  return [a * 256 + b, c * 256 + d]
}
