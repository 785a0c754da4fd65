/** Size of a file on the wire: `node bench/variants/size.ts <file>`. */
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const [file = ''] = process.argv.slice(2)
console.log(
  JSON.stringify({ unit: 'bytes', samples: [gzipSync(readFileSync(file), { level: 9 }).length], answer: true }),
)
