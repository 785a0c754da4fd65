/** Tokens: secrets with a role, of which the registry keeps the SHA-256 alone. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Role } from '../../runtime/contract/control.ts'
import { SelvedgeError } from '../../runtime/errors.ts'

/** `page_…` stands in the source of web pages; the others are `sv_<role>_…`. 256 random bits. */
export function createSecret(role: Role): string {
  const random = randomBytes(32).toString('base64url')
  return role === 'page' ? `page_${random}` : `sv_${role}_${random}`
}

export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

export function sameHash(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'))
}

/**
 * The secret in an Authorization header: `Bearer <token>`, or `Basic` with the token as password, as OCI clients send it.
 *
 * @throws {@link SelvedgeError} `UNAUTHENTICATED` for any other form
 */
export function parseAuthorization(header: string): string {
  const [scheme = '', value = '', ...rest] = header.trim().split(/ +/)
  if (rest.length === 0 && value !== '') {
    if (scheme.toLowerCase() === 'bearer') return value
    if (scheme.toLowerCase() === 'basic') {
      const password = /^[^:]*:(.+)$/s.exec(Buffer.from(value, 'base64').toString())?.[1]
      if (password !== undefined) return password
    }
  }
  throw new SelvedgeError('UNAUTHENTICATED', 'the Authorization header is neither Bearer nor Basic with a password')
}
