/** A React hook around `connect`: copy it into your application; the package itself does not know React. */
import { useEffect, useState } from 'react'
import { type Connection, type ConnectOptions, connect, type Progress } from 'selvedge/browser'

export interface Selvedge {
  /** Undefined until a model has answered once. */
  connection: Connection | undefined
  /** The newest event; its phase is `ready` when there is a connection. */
  progress: Progress | undefined
  /** Why there is no connection; a `SelvedgeError` with `code` and `next`. */
  error: unknown
}

const nothing: Selvedge = { connection: undefined, progress: undefined, error: undefined }

/**
 * Connects while the component is mounted, anew when the registry, the endpoint or an option changes, and closes what
 * it opened. Options are compared by value: an object written in the call is fine.
 */
export function useSelvedge(registry: string, endpoint: string, options: ConnectOptions): Selvedge {
  const [state, setState] = useState(nothing)
  const values = JSON.stringify([options.token, options.key, options.unit, options.providers])

  useEffect(() => {
    const [token, key, unit, providers] = JSON.parse(values)
    const abort = new AbortController()
    const { signal } = abort
    const unlessGone = (change: (before: Selvedge) => Selvedge) => {
      if (!signal.aborted) setState(change)
    }
    setState(nothing)

    const connecting = connect(registry, endpoint, {
      // JSON has no undefined.
      token: token ?? undefined,
      key,
      unit: unit ?? undefined,
      providers: providers ?? undefined,
      signal,
      onProgress: (progress) => unlessGone((before) => ({ ...before, progress })),
    })
    connecting.then(
      (connection) => unlessGone((before) => ({ ...before, connection })),
      (error) => unlessGone((before) => ({ ...before, error })),
    )

    return () => {
      // Strict mode mounts twice: what had connected before the abort is closed, what had not never does.
      abort.abort()
      connecting
        .then(
          (connection) => connection.close(),
          () => undefined,
        )
        .catch(console.warn)
    }
  }, [registry, endpoint, values])

  return state
}
