/** Errors across Comlink: its own `throw` handler keeps only message, name and stack, ours keeps code and detail. */
import { transferHandlers } from 'comlink'
import { decodeError, type ErrorMessage, encodeError } from '../runtime/errors.ts'

/** Both sides call this once before they speak. */
export function keepErrorCodes(): void {
  const own = transferHandlers.get('throw')
  if (own === undefined) throw new Error('Comlink has no throw handler')
  transferHandlers.set('throw', {
    canHandle: own.canHandle,
    serialize: (thrown) => [encodeError((thrown as { value: unknown }).value), []],
    deserialize: (message) => {
      throw decodeError(message as ErrorMessage)
    },
  })
}
