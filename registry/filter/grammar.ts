/**
 * Filter: which models or versions are meant, in the grammar of MLflow's search with `OR`, `NOT` and parentheses.
 *
 *     name LIKE 'dig%' AND tag.team = 'vision' AND NOT (version_number < 3 OR tag.stage IN ('old', 'older'))
 *
 * Keys are `name`, `version_number`, `created_at` (RFC 3339) and `tag.<key>`, a key with other characters in backquotes.
 * `team=vision` is short for `tag.team = 'vision'`. A tag that is not there equals nothing and differs from nothing.
 */
import { SelvedgeError } from '../../runtime/errors.ts'
import { type Token, tokensOf } from './tokens.ts'

export type Attribute = (typeof attributes)[number]

export type Field = { attribute: Attribute } | { tag: string }

export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>='

export type Filter =
  | { and: Filter[] }
  | { or: Filter[] }
  | { not: Filter }
  | { field: Field; is: Comparison; value: string | number }
  | { field: Field; in: (string | number)[] }
  /** `%` stands for any text, `_` for one character. `ILIKE` takes upper and lower case of ASCII as equal. */
  | { field: Field; like: string; anyCase: boolean }

const mostCharacters = 4096
const mostTerms = 100
const mostNesting = 32
const mostWildcards = 8

/** What a search is ordered by, too. */
export const attributes = ['name', 'version_number', 'created_at'] as const

/** @throws {@link SelvedgeError} `INVALID_REQUEST` with the place where it stops being a filter */
export function parseFilter(text: string): Filter {
  if (text.length > mostCharacters) throw refuse(`it has ${text.length} characters, at most ${mostCharacters}`)
  return openParser(tokensOf(text)).parse()
}

function openParser(tokens: readonly Token[]) {
  let next = 0
  let terms = 0

  function peek(): Token {
    return tokens[next] ?? { kind: 'end', text: 'its end', at: 0 }
  }

  function take(): Token {
    const token = peek()
    next++
    return token
  }

  function takeIf(...words: string[]): boolean {
    const { kind, text } = peek()
    const isHere = (kind === 'word' || kind === 'sign') && words.includes(text.toUpperCase())
    if (isHere) next++
    return isHere
  }

  function demand(sign: string): void {
    if (!takeIf(sign)) throw unexpected(peek(), sign)
  }

  function either(depth: number): Filter {
    if (depth > mostNesting) throw refuse(`it nests deeper than ${mostNesting}`)
    const parts = [both(depth)]
    while (takeIf('OR')) parts.push(both(depth))
    return joined(parts, (or) => ({ or }))
  }

  function both(depth: number): Filter {
    const parts = [negated(depth)]
    while (takeIf('AND')) parts.push(negated(depth))
    return joined(parts, (and) => ({ and }))
  }

  function negated(depth: number): Filter {
    if (depth > mostNesting) throw refuse(`it nests deeper than ${mostNesting}`)
    if (takeIf('NOT')) return { not: negated(depth + 1) }
    if (!takeIf('(')) return term()
    const inner = either(depth + 1)
    demand(')')
    return inner
  }

  function term(): Filter {
    terms++
    if (terms > mostTerms) throw refuse(`it has more than ${mostTerms} comparisons`)
    const { field, isShort } = readField(take())
    if (takeIf('NOT')) {
      const { kind, text } = peek()
      if (kind === 'word' && ['IN', 'LIKE', 'ILIKE'].includes(text.toUpperCase())) return { not: comparison(field) }
      throw unexpected(peek(), 'IN, LIKE or ILIKE')
    }
    return comparison(field, isShort)
  }

  function comparison(field: Field, isShort = false): Filter {
    if (takeIf('IN')) return { field, in: list(field) }
    if (takeIf('LIKE')) return { field, like: pattern(field), anyCase: false }
    if (takeIf('ILIKE')) return { field, like: pattern(field), anyCase: true }
    const operator = take()
    const is = (['=', '!=', '<', '<=', '>', '>='] as const).find((each) => each === operator.text)
    if (operator.kind !== 'sign' || is === undefined) throw unexpected(operator, 'a comparison')
    return { field, is, value: value(field, isShort) }
  }

  function list(field: Field): (string | number)[] {
    demand('(')
    const values = [value(field)]
    while (takeIf(',')) values.push(value(field))
    demand(')')
    terms += values.length - 1
    if (terms > mostTerms) throw refuse(`it has more than ${mostTerms} comparisons`)
    return values
  }

  function pattern(field: Field): string {
    const token = peek()
    const read = value(field)
    if (typeof read !== 'string') throw unexpected(token, 'a pattern in quotes')
    if (read.split('%').length - 1 > mostWildcards) throw refuse(`a pattern has more than ${mostWildcards} %`)
    return read
  }

  function value(field: Field, isShort = false): string | number {
    const token = take()
    const isNumber = 'attribute' in field && field.attribute === 'version_number'
    if (isNumber) {
      if (token.kind === 'word' && /^\d{1,15}$/.test(token.text)) return Number(token.text)
      throw unexpected(token, 'a whole number')
    }
    if (token.kind === 'text' || (isShort && token.kind === 'word')) return token.text
    throw unexpected(token, 'a value in quotes')
  }

  return {
    parse(): Filter {
      const filter = either(0)
      if (peek().kind !== 'end') throw unexpected(peek(), 'AND, OR or its end')
      return filter
    },
  }
}

// A bare key names a tag, whose value may then stand without quotes, too.
function readField(token: Token): { field: Field; isShort: boolean } {
  if (token.kind === 'key') return { field: { tag: token.text }, isShort: false }
  if (token.kind !== 'word') throw unexpected(token, 'a key such as name or tag.team')
  const attribute = attributes.find((each) => each === token.text)
  if (attribute !== undefined) return { field: { attribute }, isShort: false }
  if (/^(AND|OR|NOT|IN|LIKE|ILIKE)$/i.test(token.text)) throw unexpected(token, 'a key such as name or tag.team')
  return { field: { tag: token.text }, isShort: true }
}

function joined(parts: Filter[], join: (parts: Filter[]) => Filter): Filter {
  const [only] = parts
  return only !== undefined && parts.length === 1 ? only : join(parts)
}

function unexpected({ text, at, kind }: Token, wanted: string): SelvedgeError {
  const place = kind === 'end' ? 'at its end' : `at character ${at + 1}`
  return refuse(`got ${kind === 'end' ? 'nothing' : JSON.stringify(text.slice(0, 40))} ${place}, want ${wanted}`)
}

function refuse(why: string): SelvedgeError {
  return new SelvedgeError('INVALID_REQUEST', `query filter: ${why}`)
}
