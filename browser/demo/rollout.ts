/** The demo page's panel of a rollout: visitors write digits and say whether the answer was right; versions come and go. */
import type { Rollout, RolloutEntry } from '../../runtime/contract/rollout.ts'
import { connect, type PageConnection } from '../client.ts'
import { element, make } from './panel.ts'
import { pause, readJson } from './registry.ts'
import { writeDigit } from './strokes.ts'

const endpoint = 'digits'
const visitorEveryMs = 20
const askEveryMs = 1000

interface Seen {
  visitors: number
  right: number
}

/** @param key - that plans are signed with */
export function openRolloutPanel(key: () => Promise<string | readonly string[]>): void {
  const button = element('rollout-run')
  const sheet = element('rollout-sheet') as HTMLCanvasElement
  const seen = new Map<string, Seen>()
  let digits: PageConnection | undefined
  let running = false

  button.addEventListener('click', () => void toggle())

  async function toggle(): Promise<void> {
    running = !running
    button.setAttribute('aria-pressed', String(running))
    if (!running) return
    try {
      // Without a token: on the registry's own machine the page is a host that is known, whose word on units counts.
      digits ??= await connect(location.origin, endpoint, { key: await key() })
      await Promise.all([letIn(digits), watch(digits)])
    } catch (error) {
      running = false
      button.setAttribute('aria-pressed', 'false')
      element('rollout-said').textContent = error instanceof Error ? error.message : String(error)
    }
  }

  async function letIn(connection: PageConnection): Promise<void> {
    const ink = sheet.getContext('2d', { willReadFrequently: true })
    if (ink === null) throw new Error('this browser has no 2d canvas')
    while (running) {
      const digit = Math.floor(Math.random() * 10)
      writeDigit(ink, digit)
      const scored = await connection.score({ image: sheet }, { unit: crypto.randomUUID() })
      const isRight = 'class' in scored && scored.class === String(digit)
      await connection.outcome(scored, { accepted: isRight })
      const name = `${scored.deployment} v${scored.version}`
      const { visitors, right } = seen.get(name) ?? { visitors: 0, right: 0 }
      seen.set(name, { visitors: visitors + 1, right: right + (isRight ? 1 : 0) })
      await pause(visitorEveryMs)
    }
  }

  async function watch(connection: PageConnection): Promise<void> {
    while (running) {
      const { items } = await readJson<{ items: Rollout[] }>(`/api/v1/endpoints/${endpoint}/rollouts?limit=1`)
      showRollout(items[0])
      const { split, versions } = await connection.state()
      showSeen(Object.entries(split).map(([name, percent]) => [`${name} v${versions[name]}`, percent]))
      await pause(askEveryMs)
    }
  }

  function showSeen(split: readonly (readonly [name: string, percent: number])[]): void {
    const percents = new Map(split)
    const names = new Set([...percents.keys(), ...seen.keys()])
    element('rollout-seen').replaceChildren(
      ...[...names].map((name) => {
        const { visitors, right } = seen.get(name) ?? { visitors: 0, right: 0 }
        const cells = [
          name,
          `${percents.get(name) ?? 0} %`,
          String(visitors),
          visitors === 0 ? '' : `${((100 * right) / visitors).toFixed(0)} %`,
        ]
        const row = make('tr')
        row.append(...cells.map((text, i) => make(i === 0 ? 'th' : 'td', undefined, text)))
        return row
      }),
    )
  }
}

function showRollout(rollout: Rollout | undefined): void {
  const said = element('rollout-said')
  said.dataset.state = rollout?.state ?? 'none'
  said.textContent = rollout === undefined ? 'No rollout yet.' : describe(rollout)
  element('rollout-history').replaceChildren(
    ...(rollout?.history ?? []).toReversed().map((entry) => make('li', undefined, describeEntry(entry))),
  )
}

function describe({ deployment, state, percent, steps, now }: Rollout): string {
  const waits = now?.waits ?? []
  const place = state === 'running' || state === 'paused' ? ` at ${percent} % of ${steps.join(', ')} %` : ''
  return `${deployment} ${state}${place}${waits.length > 0 ? `; waits for ${waits.join(', ')}` : ''}`
}

function describeEntry({ at, action, percent, why }: RolloutEntry): string {
  return `${new Date(at).toLocaleTimeString()} ${action}, ${percent} %${why === undefined ? '' : `: ${why}`}`
}
