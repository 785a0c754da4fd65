/**
 * How much more memory a registry has resident at most while 20 clients push 200 MB each at the same time:
 * `node bench/variants/registry-memory.ts <selvedge|docker-registry> <put|patch>`, over what it had idle.
 */
import { digestOf, noise, openOci } from '../node/oci.ts'
import { peakBytes, resetPeak, residentBytes, startDocker, startRegistry } from '../node/servers.ts'

const clients = 20
const blobBytes = 200_000_000

const [server, way] = process.argv.slice(2)
if (way !== 'put' && way !== 'patch') throw new Error(`got "${way}", want put or patch`)
const running = await (server === 'docker-registry' ? startDocker() : startRegistry())
const oci = openOci(running.url, clients)
try {
  const blobs = Array.from({ length: clients }, (_, seed) => noise(blobBytes, seed))
  const digests = blobs.map(digestOf)
  await oci.send('GET', '/v2/', 200)
  const idleBytes = residentBytes(running.pid)
  resetPeak(running)
  await Promise.all(blobs.map((bytes, i) => oci.pushBlob(`large${i}`, bytes, digests[i] ?? '', way)))
  const sample = peakBytes(running) - idleBytes
  const answer: string[] = []
  for (const [i, digest] of digests.entries()) answer.push(digestOf(await oci.read(`/v2/large${i}/blobs/${digest}`)))
  console.log(JSON.stringify({ unit: 'bytes', samples: [sample], answer }))
} finally {
  oci.close()
  await running.close()
}
