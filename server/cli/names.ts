/** Names as they are written on the command line: `model@2`, `model@champion`, `endpoint/deployment`, `key=value`. */
import { InvalidArgumentError } from 'commander'
import { name } from '../../runtime/contract/names.ts'

export function parseName(text: string): string {
  if (!name.safeParse(text).success) {
    throw new InvalidArgumentError('Want lower-case letters and digits, with single . _ - between them.')
  }
  return text
}

export interface ModelReference {
  model: string
  /** Without version and alias: the newest. */
  version?: number
  alias?: string
}

/** As the registry counts them. */
export function parseVersion(text: string): number {
  if (!versionForm.test(text)) throw new InvalidArgumentError('Want a version number, such as 2.')
  return Number(text)
}

const versionForm = /^[1-9][0-9]{0,14}$/

/** `housing`, `housing@2` or `housing@champion`; all digits are a version, as in the registry. */
export function parseModelReference(text: string): ModelReference {
  const [model = '', version, ...rest] = text.split('@')
  if (rest.length > 0) throw new InvalidArgumentError('Want a model such as housing, housing@2 or housing@champion.')
  if (version === undefined) return { model: parseName(model) }
  if (versionForm.test(version)) return { model: parseName(model), version: parseVersion(version) }
  if (/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/.test(version) && !/^[0-9]+$/.test(version)) {
    return { model: parseName(model), alias: version }
  }
  throw new InvalidArgumentError('Want a version number or an alias after the @.')
}

/** `housing/green` */
export function parseDeploymentReference(text: string): { endpoint: string; deployment: string } {
  const [endpoint = '', deployment = '', ...rest] = text.split('/')
  if (deployment === '' || rest.length > 0) {
    throw new InvalidArgumentError('Want <endpoint>/<deployment>, such as housing/green.')
  }
  return { endpoint: parseName(endpoint), deployment: parseName(deployment) }
}

/** Collects `--tag key=value` into one record. */
export function collectTag(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Want key=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** `a,b,c`; a name that holds a comma is quoted as in CSV. */
export function parseList(text: string): string[] {
  const names = [...text.matchAll(/"((?:[^"]|"")*)"(?:,|$)|([^,]+)(?:,|$)/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain?.trim() ?? '',
  )
  if (names.length === 0 || names.includes('')) throw new InvalidArgumentError('Want names with commas between them.')
  if (new Set(names).size < names.length) throw new InvalidArgumentError('A name stands there twice.')
  return names
}

/** As {@link parseList} reads it. */
export function renderList(names: readonly string[]): string {
  return names
    .map((name) => (name.includes(',') || name.includes('"') ? `"${name.replaceAll('"', '""')}"` : name))
    .join(',')
}

export function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('Want a port from 0 to 65535.')
  return port
}

export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('Want a whole number of at least 1.')
  return Number(text)
}
