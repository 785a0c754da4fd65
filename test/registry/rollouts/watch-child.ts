/** Watches the rollouts of a database in a process of its own: `<file>`. */
import { openWatch } from '../../../registry/rollouts/watch.ts'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'

const [file = ''] = process.argv.slice(2)
openWatch({ store: openSqliteStore(file), changed: () => undefined, now: Date.now, log: () => undefined })
process.on('disconnect', () => process.exit())
process.send?.('watching')
