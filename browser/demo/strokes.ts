/** Digits as a hand writes them: one path a digit, a little else each time. */

/** SVG path data in a square of 28. */
const paths = [
  'M14 5C9 5 8 10 8 14s1 9 6 9 6-5 6-9-1-9-6-9z',
  'M14.5 5L13.5 23',
  'M9 9C9 4 19 4 19 9C19 14 9 18 9 23H20',
  'M9 6C14 3 19 6 18 9S14 13 12 13.5C16 13.5 20 15 19 19S12 24 8 21',
  'M11 5L8 15H20M17 8V23',
  'M19 5H11L10 13C14 11 19 13 19 17S14 24 9 21.5',
  'M17 5C11 8 8 13 9 18S17 24 18 19 13 13 9 17',
  'M8 6H20L12 23',
  'M14 13.5C8 11 9 5 14 5S20 11 14 13.5 9 23 14 23 20 16 14 13.5z',
  'M19 10C18 5 10 5 9.5 10S17 15 19 10C19 15 17 20 15 23',
]

const side = 28

/** @param ink - of a canvas of 28 x 28 pixels, which is cleared first */
export function writeDigit(ink: CanvasRenderingContext2D, digit: number): void {
  ink.resetTransform()
  ink.fillStyle = '#000'
  ink.fillRect(0, 0, side, side)
  ink.translate(side / 2 + within(1.5), side / 2 + within(1.5))
  ink.rotate(within(0.12))
  ink.scale(1 + within(0.1), 1 + within(0.1))
  ink.translate(-side / 2, -side / 2)
  ink.strokeStyle = '#fff'
  ink.lineWidth = 2.4 + within(0.5)
  ink.lineCap = 'round'
  ink.lineJoin = 'round'
  ink.stroke(new Path2D(paths[digit]))
}

/** Anywhere from -reach to reach. */
function within(reach: number): number {
  return (2 * Math.random() - 1) * reach
}
