/** Means in their brackets between the limits on both sides, one line for each direction. */
import { html } from 'hono/html'
import type { FeatureDrift } from '../../runtime/contract/monitor.ts'
import { signed } from '../../runtime/drift/words.ts'
import type { Html } from '../console/page.ts'

export type Direction = FeatureDrift['directions'][number]

/** The ones that moved farthest for their limit first. */
export function byDistance(directions: readonly Direction[]): Direction[] {
  return directions.toSorted((a, b) => Math.abs(b.mean) / b.limit - Math.abs(a.mean) / a.limit)
}

export function bracketText({ mean, radius, limit }: Direction): string {
  return `${signed(mean, radius)}, limit ${limit.toFixed(2)}`
}

/** From twice the limit below 0 to twice above; what is beyond ends in an arrow at the side. */
export function bracket(direction: Direction): Html {
  const { mean, radius, limit } = direction
  const x = (value: number) => Math.max(0, Math.min(width, Math.round(width / 2 + (value / (2 * limit)) * (width / 2))))
  const reach = radius ?? 2 * limit + Math.abs(mean)
  const [low, high] = [x(mean - reach), x(mean + reach)]
  const middle = Math.max(6, Math.min(width - 6, x(mean)))
  return html`<svg class="bracket ${standing(direction)}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${bracketText(direction)}"><rect class="within" x="${x(-limit)}" y="2" width="${x(limit) - x(-limit)}" height="${height - 4}"/><path class="zero" d="M${width / 2} 2V${height - 2}"/><path class="limit" d="M${x(-limit)} 1V${height - 1}M${x(limit)} 1V${height - 1}"/><rect class="span" x="${low}" y="7" width="${Math.max(2, high - low)}" height="4"/>${mark(middle, Math.abs(mean) > 2 * limit ? Math.sign(mean) : 0)}</svg>`
}

const [width, height] = [240, 18]

function mark(x: number, beyond: number): Html {
  if (beyond === 0) return html`<circle class="mean" cx="${x}" cy="9" r="5"/>`
  return html`<path class="mean" d="M${x + 6 * beyond} 9L${x - 6 * beyond} 3V15Z"/>`
}

// A bracket that holds 0 says nothing yet, wherever its middle is.
function standing({ mean, radius, limit }: Direction): string {
  const size = Math.abs(mean)
  if (radius === undefined) return 'open'
  if (size + radius < limit) return 'inside'
  return size > limit && size > radius ? 'past' : 'open'
}
