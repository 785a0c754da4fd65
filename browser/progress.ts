/**
 * `<selvedge-progress>`: a bar for what `connect` does before it resolves. No dependency, no inline style that a strict
 * policy would block; `--selvedge-progress-color`, `-track` and `-height` dress it.
 *
 * ```ts
 * import 'selvedge/browser/progress'
 * const bar = document.querySelector('selvedge-progress')
 * const digits = await connect(registry, 'digits', { key, onProgress: bar.follow }).catch(bar.fail)
 * ```
 */

export type Phase = keyof typeof phases

/** What is shown of an event of `onProgress`. */
export interface ShownProgress {
  phase: Phase
  doneBytes?: number | undefined
  totalBytes?: number | undefined
  deployment?: string | undefined
}

export interface SelvedgeProgress extends HTMLElement {
  phase: Phase
  /** 0 to 1; undefined while nobody can know. */
  value: number | undefined
  /** Names what is being loaded, in front of what is happening. */
  label: string
  /** Bound: goes as it is into `onProgress`. Bytes of several deployments are added. */
  readonly follow: (event: ShownProgress) => void
  /** Bound: shows the message of the error and throws it again, for the `catch` of a promise. */
  readonly fail: (error: unknown) => never
}

declare global {
  interface HTMLElementTagNameMap {
    'selvedge-progress': SelvedgeProgress
  }
}

const phases = {
  plan: 'asking for the plan',
  runtime: 'loading ONNX Runtime',
  download: 'downloading the model',
  verify: 'checking the model',
  compile: 'preparing the model',
  'warm-up': 'warming up',
  ready: 'ready',
  failed: 'failed',
}

const css = `
:host { display: block; font-variant-numeric: tabular-nums }
:host([hidden]) { display: none }
p { display: flex; justify-content: space-between; gap: 1em; margin: 0 0 .25em }
div { height: var(--selvedge-progress-height, .4rem); overflow: hidden; border-radius: 1rem;
  background: var(--selvedge-progress-track, color-mix(in srgb, currentColor 15%, transparent)) }
i { display: block; height: 100%; border-radius: inherit; background: var(--selvedge-progress-color, currentColor);
  transform-origin: left; transition: transform .2s }
.unknown { animation: pass 1.4s ease-in-out infinite }
:host([phase=failed]) i { opacity: .3 }
@keyframes pass { from { transform: translateX(-100%) scaleX(.4) } to { transform: translateX(100%) scaleX(.4) } }
@media (prefers-reduced-motion: reduce) { i { transition: none } .unknown { animation: none; opacity: .5 } }
`

// A server that renders pages imports this module, too, and has no elements.
if ('customElements' in globalThis && customElements.get('selvedge-progress') === undefined) {
  customElements.define('selvedge-progress', elementClass())
}

function elementClass(): new () => SelvedgeProgress {
  return class extends HTMLElement implements SelvedgeProgress {
    static observedAttributes = ['phase', 'value', 'label']

    readonly #text = document.createElement('span')
    readonly #share = document.createElement('span')
    readonly #bar = document.createElement('div')
    readonly #fill = document.createElement('i')
    readonly #bytes = new Map<string, { done: number; total: number }>()

    constructor() {
      super()
      const style = new CSSStyleSheet()
      style.replaceSync(css)
      const shadow = this.attachShadow({ mode: 'open' })
      shadow.adoptedStyleSheets = [style]
      const line = document.createElement('p')
      line.append(this.#text, this.#share)
      this.#text.setAttribute('role', 'status')
      // The bar itself says it.
      this.#share.setAttribute('aria-hidden', 'true')
      this.#bar.setAttribute('role', 'progressbar')
      this.#bar.setAttribute('aria-valuemin', '0')
      this.#bar.setAttribute('aria-valuemax', '100')
      this.#bar.append(this.#fill)
      shadow.append(line, this.#bar)
      this.#render()
    }

    get phase(): Phase {
      const phase = this.getAttribute('phase') ?? ''
      return Object.hasOwn(phases, phase) ? (phase as Phase) : 'plan'
    }

    set phase(phase: Phase) {
      this.setAttribute('phase', phase)
    }

    get value(): number | undefined {
      const value = Number.parseFloat(this.getAttribute('value') ?? '')
      return Number.isNaN(value) ? undefined : Math.min(1, Math.max(0, value))
    }

    set value(value: number | undefined) {
      if (value === undefined) this.removeAttribute('value')
      else this.setAttribute('value', String(value))
    }

    get label(): string {
      return this.getAttribute('label') ?? ''
    }

    set label(label: string) {
      this.setAttribute('label', label)
    }

    readonly follow = ({ phase, doneBytes, totalBytes, deployment = '' }: ShownProgress): void => {
      if (phase === 'plan') this.#bytes.clear()
      let value = phase === 'ready' ? 1 : undefined
      if (doneBytes !== undefined && totalBytes !== undefined) {
        this.#bytes.set(`${phase} ${deployment}`, { done: doneBytes, total: totalBytes })
        const parts = [...this.#bytes].filter(([key]) => key.startsWith(`${phase} `))
        const total = parts.reduce((sum, [, part]) => sum + part.total, 0)
        if (total > 0) value = parts.reduce((sum, [, part]) => sum + part.done, 0) / total
      }
      this.phase = phase
      this.value = value
    }

    readonly fail = (error: unknown): never => {
      this.phase = 'failed'
      this.value = undefined
      this.#say(error instanceof Error ? error.message : String(error))
      throw error
    }

    attributeChangedCallback(): void {
      this.#render()
    }

    #render(): void {
      const { phase, value, label } = this
      this.#say(phases[phase])
      const percent = value === undefined ? undefined : Math.floor(value * 100)
      this.#share.textContent = percent === undefined ? '' : `${percent} %`
      this.#bar.setAttribute('aria-label', label || 'Model')
      this.#bar.setAttribute('aria-valuetext', phases[phase] + (percent === undefined ? '' : `, ${percent} %`))
      if (percent === undefined) this.#bar.removeAttribute('aria-valuenow')
      else this.#bar.setAttribute('aria-valuenow', String(percent))
      this.#fill.classList.toggle('unknown', value === undefined && phase !== 'failed')
      this.#fill.style.transform = value === undefined ? '' : `scaleX(${value})`
    }

    #say(what: string): void {
      const text = this.label === '' ? what : `${this.label}: ${what}`
      // A screen reader speaks what changes, and only that.
      if (this.#text.textContent !== text) this.#text.textContent = text
    }
  }
}
