/** Text for people: tables in aligned columns, sizes, shares and spans of time. */

export interface Column {
  title: string
  align?: 'left' | 'right'
}

/** Columns two spaces apart, without rules and without spaces at the end of a line; '' without rows. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const cells = [columns.map((column) => column.title), ...rows.map((row) => row.map(plain))]
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)))
  const line = (row: readonly string[]) =>
    columns
      .map(({ align }, i) => {
        const [cell, width] = [row[i] ?? '', widths[i] ?? 0]
        return align === 'right' ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return `${cells.map(line).join('\n')}\n`
}

/** What others named must not move the cursor or colour the terminal: control characters become a visible mark. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '\ufffd')
}

/** Three digits and a unit of 1024. */
export function renderBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let [size, unit] = [bytes, 0]
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit += 1
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`
}

/** A probability or a value: six decimals at most, exponents only where they are needed. */
export function renderNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  if (size !== 0 && (size < 0.000_1 || size >= 1e15)) return value.toExponential(3)
  return String(Number(value.toFixed(6)))
}

/** How long ago, in the largest unit that has passed. */
export function renderAge(at: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000))
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`
  return `${Math.floor(seconds / 86_400)} days ago`
}
