/** JSON text to values, with its nesting bounded before it is parsed and its long integers kept exact. */
import { SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'

/**
 * @throws {@link SelvedgeError} `INVALID_REQUEST` for bytes that are no UTF-8 or no JSON, and for nesting deeper than
 * `limits.jsonDepth`
 */
export function parseJson(bytes: Uint8Array): unknown {
  checkDepth(bytes)
  try {
    return JSON.parse(decodeText(bytes))
  } catch (cause) {
    throw new SelvedgeError('INVALID_REQUEST', 'the body is not JSON', {}, { cause })
  }
}

/**
 * The same value with every integer that a double cannot hold as a `bigint`. Several times slower than
 * {@link parseJson}: for bodies that are known to hold one.
 *
 * @throws SelvedgeError `TENSOR_INVALID` on a host whose `JSON.parse` does not hand out the source text
 */
export function parseExactJson(bytes: Uint8Array): unknown {
  const revive = (_key: string, value: unknown, context?: { source?: string }) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
    const source = context?.source
    if (source === undefined) {
      throw new SelvedgeError('TENSOR_INVALID', 'this host cannot read integers beyond 2^53 from JSON numbers')
    }
    return /^-?\d+$/.test(source) ? BigInt(source) : value
  }
  return JSON.parse(decodeText(bytes), revive)
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new SelvedgeError('INVALID_REQUEST', 'the body is not UTF-8', {}, { cause })
  }
}

// A tensor request opens a handful of brackets, which a search finds far faster than a walk over every byte.
function checkDepth(bytes: Uint8Array): void {
  if (countUpTo(bytes, openBracket) + countUpTo(bytes, openBrace) <= limits.jsonDepth) return
  let depth = 0
  let inText = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (inText) {
      if (byte === backslash) i++
      else if (byte === quote) inText = false
    } else if (byte === quote) {
      inText = true
    } else if (byte === openBracket || byte === openBrace) {
      if (++depth > limits.jsonDepth) {
        throw new SelvedgeError('INVALID_REQUEST', `the JSON is nested deeper than ${limits.jsonDepth} levels`)
      }
    } else if (byte === closeBracket || byte === closeBrace) {
      depth--
    }
  }
}

function countUpTo(bytes: Uint8Array, byte: number): number {
  let count = 0
  for (let at = bytes.indexOf(byte); at >= 0 && count <= limits.jsonDepth; at = bytes.indexOf(byte, at + 1)) count++
  return count
}

const quote = 0x22
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
