// Holds the write lock of a file in a separate process: node lock-holder.ts <file>
import { DatabaseSync } from 'node:sqlite'

const db = new DatabaseSync(process.argv[2] as string)
db.exec('PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE')
process.once('message', () => {
  db.exec('ROLLBACK')
  db.close()
  process.exit()
})
process.send?.('held')
