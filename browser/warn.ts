/** What costs something, but no answer, told in the console. */
import { SelvedgeError } from '../runtime/errors.ts'

export function warn(error: unknown): void {
  if (error instanceof SelvedgeError) console.warn(`selvedge: ${error.code}: ${error.message}`, error.cause ?? '')
  else console.warn('selvedge:', error)
}
