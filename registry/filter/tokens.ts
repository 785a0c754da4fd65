/** The words, quoted texts and signs of a filter. */
import { SelvedgeError } from '../../runtime/errors.ts'

export interface Token {
  /** `key` is what follows `tag.`; `text` stood in quotes. */
  kind: 'word' | 'key' | 'text' | 'sign' | 'end'
  text: string
  /** Characters before it. */
  at: number
}

const pieces = [
  /\s+/,
  // A quote inside is written twice, as in SQL.
  /'(?<single>(?:[^']|'')*)'/,
  /"(?<double>[^"]*)"/,
  /tag\.`(?<quotedKey>[^`]+)`/,
  /tag\.(?<key>[A-Za-z0-9_][A-Za-z0-9_.\-/]*)/,
  /(?<word>[A-Za-z0-9_][A-Za-z0-9_.\-/:]*)/,
  /(?<sign><=|>=|!=|[=<>(),])/,
]

const pattern = new RegExp(pieces.map(({ source }) => source).join('|'), 'y')

/** @throws {@link SelvedgeError} `INVALID_REQUEST` for what is none of them, such as a quote without its end */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < text.length; ) {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match === null) {
      throw new SelvedgeError(
        'INVALID_REQUEST',
        `query filter: ${JSON.stringify(text.slice(at, at + 20))} at character ${at + 1} cannot be read`,
      )
    }
    const token = tokenOf(match.groups ?? {})
    if (token !== undefined) tokens.push({ ...token, at })
    at += match[0].length
  }
  return [...tokens, { kind: 'end', text: '', at: text.length }]
}

function tokenOf(groups: Record<string, string | undefined>): Omit<Token, 'at'> | undefined {
  const { single, double, quotedKey, key, word, sign } = groups
  const text = single?.replaceAll("''", "'") ?? double
  if (text !== undefined) return { kind: 'text', text }
  const tag = quotedKey ?? key
  if (tag !== undefined) return { kind: 'key', text: tag }
  if (word !== undefined) return { kind: 'word', text: word }
  return sign === undefined ? undefined : { kind: 'sign', text: sign }
}
