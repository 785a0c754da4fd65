/** 200 swaps of a version under load: no request is lost, none is answered by a mixture (F-24). */
import { swapUnderLoad } from '../faults/swaps.ts'

const swaps = 200
const began = Date.now()
const { asked, wrong, seen } = await swapUnderLoad(swaps)
console.log(
  `${swaps} swaps in ${Math.round((Date.now() - began) / 1000)} s under ${asked} requests, answered by versions ${seen.join(', ')}`,
)
console.log(`${wrong.length} lost, refused or mixed`)
for (const line of wrong.slice(0, 20)) console.log(line)
process.exitCode = wrong.length === 0 ? 0 : 1
