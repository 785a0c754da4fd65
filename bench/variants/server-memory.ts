/**
 * Resident memory after a load of some seconds: `node bench/variants/server-memory.ts <bare-1|front|scorer> <model>`,
 * of the handler's process, of the front, or of the largest scorer.
 */
import { availableParallelism } from 'node:os'
import { answerTo, binaryRequest } from '../node/requests.ts'
import { modelNamed, startScoring } from '../node/scoring.ts'
import { childrenOf, residentBytes, startBare } from '../node/servers.ts'
import { keepBusy } from '../node/wrk.ts'

const [kind, modelName] = process.argv.slice(2)
const name = modelNamed(modelName)
const running = await (kind === 'bare-1'
  ? startBare(new URL('../node/bare-scoring.ts', import.meta.url), name, '1')
  : startScoring(name, availableParallelism()))
try {
  const url = `${running.url}/v2/models/e/infer`
  const answer = await answerTo(url, name)
  const samples: number[] = []
  for (let i = 0; i < 3; i++) {
    await keepBusy({ ...binaryRequest(name), url, connections: 16 }, 5)
    const pids = kind === 'scorer' ? childrenOf(running.pid) : [running.pid]
    samples.push(Math.max(...pids.map(residentBytes)))
  }
  console.log(JSON.stringify({ unit: 'bytes', samples, answer }))
} finally {
  await running.close()
}
