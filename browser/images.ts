/** Images in records: whatever a page can draw from, on its way to the worker and read there. */
import type { RecordInput } from '../runtime/connection.ts'

/** Each image becomes a bitmap; the caller closes them. */
export async function copyImages(
  records: readonly RecordInput[],
): Promise<{ records: RecordInput[]; bitmaps: ImageBitmap[] }> {
  const bitmaps: ImageBitmap[] = []
  const read = await Promise.all(
    records.map(async (record) => {
      const entries = await Promise.all(
        Object.entries(record).map(async ([name, value]): Promise<[string, unknown]> => {
          if (!isImage(value)) return [name, value]
          const bitmap = await createImageBitmap(value)
          bitmaps.push(bitmap)
          return [name, bitmap]
        }),
      )
      return Object.fromEntries(entries)
    }),
  )
  return { records: read, bitmaps }
}

/** In the worker: the pixels of each bitmap, RGBA. */
export function readPixels(record: RecordInput): RecordInput {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, value instanceof ImageBitmap ? pixels(value) : value]),
  )
}

function isImage(value: unknown): value is ImageBitmapSource {
  return (
    value instanceof HTMLCanvasElement ||
    value instanceof HTMLImageElement ||
    value instanceof HTMLVideoElement ||
    value instanceof OffscreenCanvas ||
    value instanceof ImageData ||
    value instanceof ImageBitmap ||
    ('VideoFrame' in globalThis && value instanceof VideoFrame) ||
    value instanceof Blob
  )
}

function pixels(bitmap: ImageBitmap): ImageData {
  const { width, height } = bitmap
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
  if (context === null) throw new Error('this worker has no 2d canvas')
  context.drawImage(bitmap, 0, 0)
  bitmap.close()
  return context.getImageData(0, 0, width, height)
}
