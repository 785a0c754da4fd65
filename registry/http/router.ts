/** Routes by address, remembered: hosts ask for few addresses and often, and a search costs as much as an answer. */
import type { Result, Router } from 'hono/router'
import { TrieRouter } from 'hono/router/trie-router'

// Bounded, since an address is the caller's choice.
const kept = 1000

/** Routes are all added before the first match. */
export function openRouter<T>(): Router<T> {
  const routes = new TrieRouter<T>()
  const found = new Map<string, Result<T>>()
  return {
    name: 'remembered',
    add: (method, path, handler) => routes.add(method, path, handler),
    match(method, path) {
      const key = `${method} ${path}`
      const held = found.get(key)
      if (held !== undefined) return held
      const result = routes.match(method, path)
      if (found.size >= kept) found.clear()
      found.set(key, result)
      return result
    },
  }
}
