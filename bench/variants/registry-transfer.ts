/**
 * One way of bringing bytes to a registry or of getting them:
 * `node bench/variants/registry-transfer.ts <selvedge|docker-registry> <put|patch|pull|push-models|pull-models>`.
 * A sample is one blob of 200 MB, or 100 models of 30 kB on four connections; 200 MB are proven once, out of the time.
 */
import { linearModel, pullModel, pushModel } from '../node/model.ts'
import { digestOf, noise, type Oci, openOci } from '../node/oci.ts'
import { startDocker, startRegistry } from '../node/servers.ts'

const samplesOfBlobs = 4
const samplesOfModels = 3
const connections = 4
const blob = { length: 200_000_000, seed: 1 }
const models = Array.from({ length: 100 }, (_, i) => linearModel(3750, i))

const [server, work] = process.argv.slice(2)
const running = await (server === 'docker-registry' ? startDocker() : startRegistry())
const oci = openOci(running.url, connections)
try {
  const { samples, answer } = await measure(oci)
  // The first of each finds nothing compiled.
  console.log(JSON.stringify({ unit: 'ms', samples: samples.slice(1), answer }))
} finally {
  oci.close()
  await running.close()
}

async function measure(oci: Oci): Promise<{ samples: number[]; answer: unknown }> {
  switch (work) {
    case 'put':
    case 'patch':
      return await measurePush(oci, work)
    case 'pull':
      return await measurePull(oci)
    case 'push-models':
      return {
        samples: await timed(samplesOfModels, (round) => pushModels(oci, round)),
        answer: await pullModels(oci, 0),
      }
    case 'pull-models': {
      await pushModels(oci, 0)
      const lengths: number[] = []
      const samples = await timed(samplesOfModels, async () => void lengths.push(await pullModels(oci, 0)))
      return { samples, answer: lengths[0] }
    }
    default:
      throw new Error(`got "${work}", want put, patch, pull, push-models or pull-models`)
  }
}

async function measurePush(oci: Oci, way: 'put' | 'patch') {
  const bytes = noise(blob.length, blob.seed)
  const digests: string[] = []
  // Bytes that it has would be no work.
  const fresh = (round: number) => {
    bytes.writeUInt32LE(round)
    digests.push(digestOf(bytes))
  }
  const samples = await timed(samplesOfBlobs, (round) => oci.pushBlob('large', bytes, digests[round] ?? '', way), fresh)
  const pulled = await oci.read(`/v2/large/blobs/${digests[0]}`)
  return { samples, answer: digestOf(pulled) }
}

async function measurePull(oci: Oci) {
  const bytes = noise(blob.length, blob.seed)
  const digest = digestOf(bytes)
  await oci.pushBlob('large', bytes, digest)
  const path = `/v2/large/blobs/${digest}`
  const answer = digestOf(await oci.read(path))
  return { samples: await timed(samplesOfBlobs, async () => void (await oci.pull(path))), answer }
}

async function pushModels(oci: Oci, round: number): Promise<void> {
  // Other repositories and other bytes each time.
  const fresh = models.map((_, i) => (round === 0 ? models[i] : linearModel(3750, 100 * round + i)))
  await onConnections(fresh, async (model, i) => {
    if (model !== undefined) await pushModel(oci, `m${round}-${i}`, model)
  })
}

async function pullModels(oci: Oci, round: number): Promise<number> {
  const lengths: number[] = []
  await onConnections(models, async (model, i) => void lengths.push(await pullModel(oci, `m${round}-${i}`, model)))
  return lengths.reduce((sum, length) => sum + length, 0)
}

async function onConnections<Item>(items: readonly Item[], use: (item: Item, i: number) => Promise<void>) {
  const left = [...items.entries()]
  const each = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await use(next[1], next[0])
  }
  await Promise.all(Array.from({ length: connections }, each))
}

async function timed(count: number, run: (round: number) => Promise<void>, before?: (round: number) => void) {
  const samples: number[] = []
  for (let round = 0; round < count; round++) {
    before?.(round)
    const start = performance.now()
    await run(round)
    samples.push(performance.now() - start)
  }
  return samples
}
