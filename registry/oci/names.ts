/** Names in addresses of `/v2`, checked before anything is looked up: OCI Distribution 1.1, "Pulling manifests". */
import { SelvedgeError } from '../../runtime/errors.ts'

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`)
const digestPattern = /^sha256:[a-f0-9]{64}$/
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/** A repository of one segment is a model. */
export function isModelName(repository: string): boolean {
  return !repository.includes('/')
}

/** @throws {@link SelvedgeError} `NAME_INVALID` */
export function parseRepository(text: string): string {
  const longest = isModelName(text) ? 128 : 255
  if (text.length <= longest && repositoryPattern.test(text)) return text
  throw new SelvedgeError('NAME_INVALID', `this is no name of a repository, or it is longer than ${longest} characters`)
}

/** @throws {@link SelvedgeError} `DIGEST_INVALID` */
export function parseDigest(text: string | undefined): string {
  if (text !== undefined && digestPattern.test(text)) return text
  throw new SelvedgeError('DIGEST_INVALID', 'a digest is sha256: and 64 lower-case hex digits')
}

/**
 * @throws {@link SelvedgeError} `DIGEST_INVALID` for what has a colon and is no digest, `MANIFEST_INVALID` for what is no
 * tag
 */
export function parseReference(text: string): { digest: string } | { tag: string } {
  if (text.includes(':')) return { digest: parseDigest(text) }
  if (tagPattern.test(text)) return { tag: text }
  throw new SelvedgeError(
    'MANIFEST_INVALID',
    'a tag has letters, digits and _ . - after the first, at most 128 of them',
  )
}

/** What a tag means for a model: all digits is a version, anything else an alias. */
export function parseTarget(tag: string): { version: number } | { alias: string } {
  if (!/^[0-9]+$/.test(tag)) return { alias: tag }
  const version = Number(tag)
  if (String(version) === tag && version >= 1 && Number.isSafeInteger(version)) return { version }
  throw new SelvedgeError('DENIED', `${tag} is no version: versions are 1, 2, 3 and so on`)
}
