/** One byte range of a blob: RFC 9110, 14.2. */

export interface ByteRange {
  start: number
  /** First byte after it. */
  end: number
}

/**
 * @returns undefined for a header that is to be ignored (other units, several ranges, no range at all);
 * `'unsatisfiable'` where nothing of the blob lies in it
 */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined | 'unsatisfiable' {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '')
  const [, first, last] = match ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  if (start >= size) return 'unsatisfiable'
  return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) }
}
