/** The demo page: a digit is scored while it is drawn; the address carries what `selvedge up --demo` printed. */
import { connect, type PageConnection, SelvedgeError } from '../client.ts'
import '../progress.ts'
import type { SelvedgeProgress } from '../progress.ts'
import { openDriftPanel } from './drift.ts'
import { openPad } from './pad.ts'
import { clearAnswer, element, showAnswer, showBusy, showEvent, showState, showStatus } from './panel.ts'
import { openRolloutPanel } from './rollout.ts'

const stateEveryMs = 1000

async function start(): Promise<void> {
  let digits: PageConnection | undefined
  let joining = Promise.resolve()
  let gpuFirst = false
  const progress = element('progress') as SelvedgeProgress
  let drawing = false
  let drawnAgain = false

  const pad = openPad(element('pad') as HTMLCanvasElement, () => void score())

  // One score at a time: what was drawn meanwhile is scored next, as it then is.
  async function score(): Promise<void> {
    if (digits === undefined) return
    if (pad.isEmpty()) return clearAnswer()
    drawnAgain = drawing
    if (drawing) return
    drawing = true
    showBusy(true)
    try {
      const scored = await digits.score({ image: pad.image() })
      if (!pad.isEmpty()) showAnswer(scored)
      element('unplug').toggleAttribute('disabled', scored.provider !== 'webgpu')
    } catch (error) {
      showError(error)
    }
    drawing = false
    if (drawnAgain) await score()
    else showBusy(false)
  }

  function toggle(id: 'invert' | 'noise'): void {
    const button = element(id)
    button.addEventListener('click', () => {
      pad.shift[id] = !pad.shift[id]
      button.setAttribute('aria-pressed', String(pad.shift[id]))
      void score()
    })
  }

  // One after the other: whoever presses twice gets one connection.
  function join(): Promise<void> {
    joining = joining.then(connectAnew)
    return joining
  }

  async function connectAnew(): Promise<void> {
    showBusy(true)
    await digits?.close()
    digits = undefined
    showStatus('Loading the models…')
    progress.hidden = false
    const started = performance.now()
    digits = await connect(location.origin, 'digits', {
      ...(await credentials()),
      unit: crypto.randomUUID(),
      ...(gpuFirst && { providers: ['webgpu', 'wasm'] }),
      onProgress: progress.follow,
      onEvent: showEvent,
    })
    progress.hidden = true
    showStatus(`Ready after ${((performance.now() - started) / 1000).toFixed(1)} s. Draw in the black square.`)
    await score()
  }

  async function watch(): Promise<void> {
    try {
      if (digits !== undefined) showState(await digits.state())
    } catch (error) {
      showError(error)
    }
    setTimeout(() => void watch(), stateEveryMs)
  }

  element('clear').addEventListener('click', () => pad.clear())
  element('visitor').addEventListener('click', () => void join().catch(showError))
  element('gpu').addEventListener('click', ({ currentTarget }) => {
    gpuFirst = !gpuFirst
    if (currentTarget instanceof Element) currentTarget.setAttribute('aria-pressed', String(gpuFirst))
    void join().catch(showError)
  })
  element('unplug').addEventListener('click', () => {
    const unplugged = digits?.rehearseDeviceLoss()
    unplugged?.then(() => score()).catch(showError)
  })
  toggle('invert')
  toggle('noise')
  openDriftPanel(async () => (await credentials()).key)
  openRolloutPanel(async () => (await credentials()).key)
  await join()
  await watch()
}

async function credentials(): Promise<{ token?: string | undefined; key: string | readonly string[] }> {
  const given = new URLSearchParams(location.hash.slice(1))
  const token = given.get('token') ?? undefined
  const key = given.get('key')
  if (key !== null) return { token, key }
  const response = await fetch('/api/v1/keys')
  const { keys } = (await response.json()) as { keys: { key: string }[] }
  return { token, key: keys.map((each) => each.key) }
}

function showError(error: unknown): void {
  if (error instanceof SelvedgeError) showStatus(`${error.code}: ${error.message}. ${error.next}`, true)
  else showStatus(String(error), true)
}

start().catch(showError)
