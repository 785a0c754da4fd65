/** Opens a database and dies by SIGKILL after so many statements of its migrations: `<file> <statements>`. */
import { DatabaseSync } from 'node:sqlite'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'

const [file = '', statements = ''] = process.argv.slice(2)
let left = Number(statements)

const { exec } = DatabaseSync.prototype
DatabaseSync.prototype.exec = function (text) {
  // No statement of ours holds a semicolon.
  for (const statement of text.split(';').filter((each) => each.trim() !== '')) {
    if (left === 0) process.kill(process.pid, 'SIGKILL')
    left--
    exec.call(this, statement)
  }
}

await openSqliteStore(file).close()
console.log(Number(statements) - left)
