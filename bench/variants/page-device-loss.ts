/** From the loss of the device to an answer: `node bench/variants/page-device-loss.ts <answer|webgpu> <bare|selvedge>`. */
import { withStand } from '../chromium/stand.ts'

const losses = 2

const [until, kind] = process.argv.slice(2)
if (until !== 'answer' && until !== 'webgpu') throw new Error(`got ${until}, want answer or webgpu`)
if (kind !== 'bare' && kind !== 'selvedge') throw new Error(`got ${kind}, want bare or selvedge`)
await withStand({ model: 'small', hasGpu: true }, async ({ subject, visit }) => {
  const measured = await visit({ task: 'device loss', subject: subject(kind, 'webgpu'), until, losses })
  return { unit: 'ms', ...measured }
})
