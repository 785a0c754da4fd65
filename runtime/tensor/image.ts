/** Images as an image feature takes them: pixels of the model's size and channels, then numbers as the network wants them. */
import type { ImageFeature } from '../contract/description.ts'
import { SelvedgeError } from '../errors.ts'

const maxSide = 16_384
// Rows, columns, channels.
const maxNesting = 3

/**
 * Pixels of the feature's size from 0 to 255, row by row with channels last.
 *
 * @param image - `{ width, height, data }` with RGBA bytes of any size, such as a canvas's ImageData: alpha is ignored,
 * grey is luma (0.299, 0.587, 0.114), another size is averaged down by area or interpolated up linearly. Or numbers of
 * exactly the feature's size, flat or nested: height x width (x channels)
 * @throws {@link SelvedgeError} `FEATURE_INVALID`
 */
export function readPixels(feature: ImageFeature, image: unknown): Float64Array {
  const [height = 0, width = 0] = feature.size
  if (isBitmap(image)) {
    const channels = bitmapChannels(feature, image)
    const narrowed = resizeRows(channels, image.height, image.width, width, feature.channels)
    return transposed(
      resizeRows(
        transposed(narrowed, image.height, width, feature.channels),
        width,
        image.height,
        height,
        feature.channels,
      ),
      width,
      height,
      feature.channels,
    )
  }
  const pixels = new Float64Array(height * width * feature.channels)
  const filled = fill(pixels, 0, image, feature, maxNesting)
  if (filled === pixels.length) return pixels
  throw invalid(feature, `got ${filled} numbers, want ${wantedSize(feature)}`)
}

/** Pixels as the network wants them: (pixel * scale - mean) / std, in the feature's layout. */
export function normalizePixels(feature: ImageFeature, pixels: Float64Array): Float64Array {
  const numbers = new Float64Array(pixels.length)
  const plane = pixels.length / feature.channels
  for (let channel = 0; channel < feature.channels; channel++) {
    const { mean, std, start, step } = channelOf(feature, channel, plane)
    for (let i = 0; i < plane; i++) {
      numbers[start + i * step] = ((pixels[i * feature.channels + channel] ?? 0) * feature.scale - mean) / std
    }
  }
  return numbers
}

/** The declared reductions of one image; pixels count from 0 to 1. */
export interface Reductions {
  mean: number
  std: number
  /** Share of pixels that round to 0 of 255. */
  zeros: number
}

/**
 * @param numbers - one image as the network gets it, of the input's precision. Whatever the caller sent is reduced from
 * these, so that an image and its tensor give the same
 */
export function reduceImage(feature: ImageFeature, numbers: ArrayLike<number>): Reductions {
  const plane = numbers.length / feature.channels
  let sum = 0
  let squares = 0
  let zeros = 0
  for (let channel = 0; channel < feature.channels; channel++) {
    const { mean, std, start, step } = channelOf(feature, channel, plane)
    for (let i = 0; i < plane; i++) {
      const pixel = ((numbers[start + i * step] ?? 0) * std + mean) / feature.scale / 255
      sum += pixel
      squares += pixel * pixel
      if (Math.abs(pixel) < 0.5 / 255) zeros++
    }
  }
  const mean = sum / numbers.length
  const variance = Math.max(0, squares / numbers.length - mean * mean)
  return { mean, std: Math.sqrt(variance), zeros: zeros / numbers.length }
}

interface Bitmap {
  width: number
  height: number
  data: ArrayLike<unknown>
}

function isBitmap(image: unknown): image is Bitmap {
  return typeof image === 'object' && image !== null && 'width' in image && 'height' in image && 'data' in image
}

function bitmapChannels(feature: ImageFeature, { width, height, data }: Bitmap): Float64Array {
  for (const side of [width, height]) {
    if (!Number.isInteger(side) || side < 1 || side > maxSide) {
      throw invalid(feature, `width and height are ${width} and ${height}, want integers from 1 to ${maxSide}`)
    }
  }
  const length = typeof data === 'object' && data !== null ? data.length : 0
  if (length !== width * height * 4) {
    throw invalid(feature, `got ${length} bytes, want width * height * 4 = ${width * height * 4} (RGBA)`)
  }
  const channels = new Float64Array(width * height * feature.channels)
  for (let i = 0; i < width * height; i++) {
    const red = pixelOf(feature, data[4 * i])
    const green = pixelOf(feature, data[4 * i + 1])
    const blue = pixelOf(feature, data[4 * i + 2])
    if (feature.channels === 1) {
      channels[i] = 0.299 * red + 0.587 * green + 0.114 * blue
    } else {
      channels[3 * i] = red
      channels[3 * i + 1] = green
      channels[3 * i + 2] = blue
    }
  }
  return channels
}

function fill(into: Float64Array, from: number, value: unknown, feature: ImageFeature, nesting: number): number {
  if (typeof value === 'number') {
    if (from < into.length) into[from] = pixelOf(feature, value)
    return from + 1
  }
  if (nesting === 0 || (!Array.isArray(value) && !ArrayBuffer.isView(value))) {
    throw invalid(feature, `got ${value === null ? 'null' : typeof value}, want { width, height, data } or numbers`)
  }
  let at = from
  for (const part of value as unknown as Iterable<unknown>) at = fill(into, at, part, feature, nesting - 1)
  return at
}

function pixelOf(feature: ImageFeature, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 255) return value
  throw invalid(feature, `got a pixel of ${typeof value === 'number' ? value : typeof value}, want 0 to 255`)
}

/** Each row of `from` pixels becomes one of `to`. */
function resizeRows(pixels: Float64Array, rows: number, from: number, to: number, channels: number): Float64Array {
  if (from === to) return pixels
  const resized = new Float64Array(rows * to * channels)
  for (let x = 0; x < to; x++) {
    const { first, weights } = from > to ? areaWeights(x, from, to) : linearWeights(x, from, to)
    for (let y = 0; y < rows; y++) {
      for (let i = 0; i < weights.length; i++) {
        const weight = weights[i] ?? 0
        for (let c = 0; c < channels; c++) {
          const at = (y * to + x) * channels + c
          resized[at] = (resized[at] ?? 0) + weight * (pixels[(y * from + first + i) * channels + c] ?? 0)
        }
      }
    }
  }
  return resized
}

interface Weights {
  first: number
  weights: number[]
}

/** How much of each pixel lies under pixel x of the smaller image. */
function areaWeights(x: number, from: number, to: number): Weights {
  const start = (x * from) / to
  const end = ((x + 1) * from) / to
  const first = Math.floor(start)
  const last = Math.min(Math.ceil(end), from)
  const weights: number[] = []
  for (let i = first; i < last; i++) {
    weights.push(((Math.min(end, i + 1) - Math.max(start, i)) * to) / from)
  }
  return { first, weights }
}

/** Between the centres of two pixels; the outermost hold on to the border. */
function linearWeights(x: number, from: number, to: number): Weights {
  const centre = Math.min(Math.max(((x + 0.5) * from) / to - 0.5, 0), from - 1)
  const first = Math.floor(centre)
  const share = centre - first
  return { first, weights: share === 0 ? [1] : [1 - share, share] }
}

function transposed(pixels: Float64Array, rows: number, columns: number, channels: number): Float64Array {
  const turned = new Float64Array(pixels.length)
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      for (let c = 0; c < channels; c++) {
        turned[(x * rows + y) * channels + c] = pixels[(y * columns + x) * channels + c] ?? 0
      }
    }
  }
  return turned
}

/** Where a channel starts in the tensor, how far apart its pixels stand, and how it is normalized. */
function channelOf({ layout, channels, mean, std }: ImageFeature, channel: number, plane: number) {
  return {
    start: layout === 'NHWC' ? channel : channel * plane,
    step: layout === 'NHWC' ? channels : 1,
    mean: mean[channel] ?? mean[0] ?? 0,
    std: std[channel] ?? std[0] ?? 1,
  }
}

function wantedSize({ size, channels }: ImageFeature): string {
  const [height, width] = size
  return channels === 1 ? `${height} x ${width}` : `${height} x ${width} x ${channels}`
}

function invalid({ name }: ImageFeature, why: string): SelvedgeError {
  return new SelvedgeError('FEATURE_INVALID', `image "${name}": ${why}`, { feature: name })
}
