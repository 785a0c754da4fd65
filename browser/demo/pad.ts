/** The drawing area: strokes by mouse, pen or touch, and the image that is scored. */

export interface Pad {
  /** What the model sees: the drawing, with the shifts that are switched on. */
  image(): HTMLCanvasElement
  isEmpty(): boolean
  clear(): void
  shift: { invert: boolean; noise: boolean }
}

export function openPad(canvas: HTMLCanvasElement, drawn: () => void): Pad {
  const ink = context(canvas)
  const shifted = document.createElement('canvas')
  shifted.width = canvas.width
  shifted.height = canvas.height
  const shift = { invert: false, noise: false }
  let empty = true

  function clear(): void {
    ink.fillStyle = '#000'
    ink.fillRect(0, 0, canvas.width, canvas.height)
    empty = true
    drawn()
  }

  function stroke(event: PointerEvent, from: boolean): void {
    const box = canvas.getBoundingClientRect()
    const x = ((event.clientX - box.left) * canvas.width) / box.width
    const y = ((event.clientY - box.top) * canvas.height) / box.height
    if (from) {
      ink.beginPath()
      ink.moveTo(x, y)
    }
    ink.lineTo(x, y)
    ink.strokeStyle = '#fff'
    ink.lineWidth = canvas.width / 13
    ink.lineCap = 'round'
    ink.lineJoin = 'round'
    ink.stroke()
    empty = false
    drawn()
  }

  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId)
    stroke(event, true)
  })
  canvas.addEventListener('pointermove', (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) stroke(event, false)
  })

  function image(): HTMLCanvasElement {
    const out = context(shifted)
    const pixels = ink.getImageData(0, 0, canvas.width, canvas.height)
    for (let i = 0; i < pixels.data.length; i++) {
      if (i % 4 === 3) continue
      const value = pixels.data[i] ?? 0
      pixels.data[i] = (shift.invert ? 255 - value : value) + (shift.noise ? (Math.random() - 0.5) * 220 : 0)
    }
    out.putImageData(pixels, 0, 0)
    return shifted
  }

  clear()
  return { image, isEmpty: () => empty, clear, shift }
}

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const found = canvas.getContext('2d', { willReadFrequently: true })
  if (found === null) throw new Error('this browser has no 2d canvas')
  return found
}
