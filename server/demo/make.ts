/**
 * Makes the samples of the demo: trains, writes ONNX, evaluates, writes baseline and golden samples.
 *
 *     node server/demo/make.ts [folder]        default: dist/demo
 *
 * Does nothing where the folder holds samples that were made from the same sources and data.
 */
import { fileURLToPath } from 'node:url'
import { makeSamples } from './samples.ts'

const [folder = fileURLToPath(new URL('../../dist/demo', import.meta.url))] = process.argv.slice(2)
const startedAt = performance.now()
const made = await makeSamples(folder)
for (const { folder: name, accuracy, rows, bytes } of made) {
  console.log(`${name}: accuracy ${accuracy.toFixed(4)} on ${rows} rows held back, model of ${bytes} bytes`)
}
if (made.length > 0) console.log(`made in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
