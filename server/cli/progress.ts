/** How far work is that takes over a second: a line that repaints itself on a terminal, one plain line anywhere else. */
import { plain, renderBytes } from './table.ts'

export interface Progress {
  /**
   * `done` of `total` in the unit of the progress; without them only the label is shown.
   *
   * @param earlier - of `done`, what was there before: it is no part of the rate
   */
  update(done?: number, total?: number, earlier?: number): void
  end(): void
}

type Sink = NodeJS.WritableStream & { isTTY?: boolean; columns?: number }

const quietMs = 1000
const repaintMs = 100
const rateMs = 10_000

/** @param bytes - shows a bar, the rate of the last ten seconds and the time that is left at it; else a share */
export function openProgress(label: string, stderr: Sink, { bytes }: { bytes: boolean }): Progress {
  const terminal = stderr.isTTY === true
  const rate = openRate()
  let place: { done: number; total: number } | undefined
  let shown = false
  const paint = () => {
    if (!terminal) stderr.write(`${plain(label)}${bytes && place ? `, ${renderBytes(place.total)}` : ''} …\n`)
    else stderr.write(`\r\x1b[K${renderLine(label, place, bytes ? rate : undefined, (stderr.columns || 80) - 1)}`)
    shown = true
  }
  let repaint: NodeJS.Timeout | undefined
  const first = setTimeout(() => {
    paint()
    if (terminal) repaint = setInterval(paint, repaintMs).unref()
  }, quietMs).unref()
  return {
    update(done, total, earlier = 0) {
      if (done === undefined || total === undefined) return
      place = { done, total }
      rate.add(done - earlier, performance.now())
    },
    end() {
      clearTimeout(first)
      clearInterval(repaint)
      if (shown && terminal) stderr.write('\r\x1b[K')
      shown = false
    },
  }
}

export interface Rate {
  add(done: number, nowMs: number): void
  /** A second, over the last ten; undefined while nothing was measured. */
  read(): number | undefined
}

export function openRate(): Rate {
  const points: { done: number; atMs: number }[] = []
  return {
    add(done, nowMs) {
      const last = points.at(-1)
      if (last !== undefined && points.length > 1 && nowMs - last.atMs < repaintMs) points.pop()
      points.push({ done, atMs: nowMs })
      while (points.length > 2 && nowMs - (points[0]?.atMs ?? nowMs) > rateMs) points.shift()
    },
    read() {
      const [first, last] = [points[0], points.at(-1)]
      if (first === undefined || last === undefined || last.atMs - first.atMs < repaintMs) return undefined
      return Math.max(0, ((last.done - first.done) * 1000) / (last.atMs - first.atMs))
    },
  }
}

/** At most `width` characters: a line that wraps could not be painted over. */
export function renderLine(
  label: string,
  place: { done: number; total: number } | undefined,
  rate: Rate | undefined,
  width: number,
): string {
  const name = plain(label)
  if (place === undefined || place.total === 0) return `${name} …`.slice(0, width)
  const share = Math.min(1, place.done / place.total)
  const percent = `${Math.floor(100 * share)} %`.padStart(5)
  if (rate === undefined) return `${name} ${percent}`.slice(0, width)
  const perSecond = rate.read()
  const left = perSecond ? `, ${renderSpan((place.total - place.done) / perSecond)} left` : ''
  const speed = perSecond === undefined ? '' : `  ${renderBytes(perSecond)}/s`
  const figures = `${percent}  ${renderBytes(place.done)} of ${renderBytes(place.total)}${speed}${left}`
  const bar = Math.min(30, width - name.length - figures.length - 3)
  if (bar < 5) return `${name} ${figures}`.slice(0, width)
  const full = Math.floor(bar * share)
  return `${name}  ${'█'.repeat(full)}${'░'.repeat(bar - full)} ${figures}`
}

function renderSpan(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`
  return `${Math.ceil(seconds / 3600)} h`
}
