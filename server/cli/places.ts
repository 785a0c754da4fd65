/** How far several transfers are together. */
import type { Progress } from './progress.ts'

/**
 * @param totalBytes - of all of them
 * @returns by the name of a transfer, what is to be told its bytes; what it has at first was there before
 */
export function openPlaces(progress: Progress, totalBytes: number): (name: string) => (bytes: number) => void {
  const places = new Map<string, { bytes: number; earlierBytes: number }>()
  return (name) => (bytes) => {
    places.set(name, { bytes, earlierBytes: places.get(name)?.earlierBytes ?? bytes })
    let [doneBytes, earlierBytes] = [0, 0]
    for (const place of places.values()) {
      doneBytes += place.bytes
      earlierBytes += place.earlierBytes
    }
    progress.update(doneBytes, totalBytes, earlierBytes)
  }
}
