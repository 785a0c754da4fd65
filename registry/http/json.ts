/** What JSON.parse lets pass and a control plane must not: deep nesting, a key twice, a key named __proto__. */
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'

/**
 * Text that is safe to hand to `JSON.parse`; whether it is JSON at all is for that to say.
 *
 * @throws {@link SelvedgeError} `INVALID_REQUEST`
 */
export function checkedText(bytes: Uint8Array): string {
  const text = decode(bytes)
  /** Keys of each open object; undefined for an array. */
  const open: (Set<string> | undefined)[] = []
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '{' || character === '[') {
      if (open.length === limits.jsonDepth) throw refuse(`is nested deeper than ${limits.jsonDepth} levels`)
      open.push(character === '{' ? new Set() : undefined)
    } else if (character === '}' || character === ']') {
      open.pop()
    } else if (character === '"') {
      const end = endOfString(text, at)
      const keys = open.at(-1)
      if (keys !== undefined && isKey(text, end)) addKey(keys, text.slice(at, end))
      at = end - 1
    }
  }
  return text
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new SelvedgeError('INVALID_REQUEST', 'the body is not UTF-8', {}, { cause })
  }
}

/** Index after the closing quote. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

function isKey(text: string, end: number): boolean {
  let at = end
  while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at++
  return text[at] === ':'
}

function addKey(keys: Set<string>, quoted: string): void {
  const key = parseKey(quoted)
  if (key === '__proto__') throw refuse('has a field "__proto__"')
  if (keys.has(key)) throw refuse(`has the field ${quoted.slice(0, 100)} twice`)
  keys.add(key)
}

function parseKey(quoted: string): string {
  try {
    return JSON.parse(quoted) as string
  } catch (cause) {
    throw new SelvedgeError('INVALID_REQUEST', 'the body is not JSON', {}, { cause })
  }
}

function refuse(what: string): SelvedgeError {
  return new SelvedgeError('INVALID_REQUEST', `the body ${what}`)
}
