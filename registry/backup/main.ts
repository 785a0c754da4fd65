/** Backup and restore as a process: `--from <folder> --into <folder>`; one JSON line on stdout says what was copied, or why not. */
import { parseArgs } from 'node:util'
import { encodeError, SelvedgeError } from '../../runtime/errors.ts'
import { copyData } from './copy.ts'

try {
  const { from, into } = parseArgs({ options: { from: { type: 'string' }, into: { type: 'string' } } }).values
  if (from === undefined || into === undefined) throw new SelvedgeError('USAGE', '--from and --into are missing')
  console.log(JSON.stringify({ copied: await copyData(from, into) }))
} catch (thrown) {
  console.log(JSON.stringify({ refused: encodeError(thrown) }))
  process.exitCode = 1
}
