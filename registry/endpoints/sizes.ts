/** Sizes that networks share: symbols of different networks that name one dimension of one tensor are one size. */
import type { Dimension } from '../../runtime/contract/description.ts'

/** A dimension, and the network whose symbols it speaks. */
export type Scoped = readonly [owner: object, dimension: Dimension]

export interface Sizes {
  /** The two are one size from now on; false where they cannot be. -1 says nothing. */
  join(a: Scoped, b: Scoped): boolean
  /** The number, or the symbol that stands for all that were joined. */
  resolve(dimension: Scoped): Dimension
}

interface Size {
  fixed?: number
  /** As it is shown. */
  symbol: string
  joined?: Size
}

export function openSizes(): Sizes {
  const byOwner = new Map<object, Map<string, Size>>()
  const symbols = new Set<string>()

  function sizeOf([owner, dimension]: Scoped): Size {
    if (typeof dimension === 'number') return { fixed: dimension, symbol: '' }
    const own = byOwner.get(owner) ?? new Map<string, Size>()
    byOwner.set(owner, own)
    const size = own.get(dimension) ?? { symbol: unused(dimension) }
    own.set(dimension, size)
    return last(size)
  }

  // Two networks may call different sizes by one name.
  function unused(symbol: string): string {
    let name = symbol
    for (let n = 2; symbols.has(name); n++) name = `${symbol}.${n}`
    symbols.add(name)
    return name
  }

  return {
    join(a, b) {
      if (a[1] === -1 || b[1] === -1) return true
      const [one, other] = [sizeOf(a), sizeOf(b)]
      if (one === other) return true
      if (one.fixed !== undefined && other.fixed !== undefined) return one.fixed === other.fixed
      const [kept, gone] = other.fixed === undefined ? [one, other] : [other, one]
      gone.joined = kept
      return true
    },
    resolve(dimension) {
      const { fixed, symbol } = sizeOf(dimension)
      return fixed ?? symbol
    },
  }
}

function last(size: Size): Size {
  return size.joined === undefined ? size : last(size.joined)
}
