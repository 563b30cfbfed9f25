import { isFileFault, isLocked } from '../../src/sqlite/errors.ts'
import { SqliteFile } from '../../src/sqlite/file.ts'
import { GroupCommit } from '../../src/sqlite/group-commit.ts'

const syncMs = 20

/**
 * Commits one row per transaction to a file, on a disk that takes 20 ms to sync. The table `turns` lists who committed when.
 */
export function takeTurns(file: string, name: string): { turn(): Promise<unknown>; close(): void } {
  const sleeper = new Int32Array(new SharedArrayBuffer(4))
  const database = new SqliteFile({
    file,
    prepare(db) {
      db.exec('CREATE TABLE IF NOT EXISTS turns (id INTEGER PRIMARY KEY, name TEXT)')
      return {
        insert: db.prepare('INSERT INTO turns (name) VALUES (?)'),
        dataVersion: db.prepare('PRAGMA data_version'),
      }
    },
  })
  const commits = new GroupCommit<Parameters<Parameters<typeof database.use>[0]>[0]>({
    transact: (work) =>
      database.transact((statements) => {
        work(statements)
        Atomics.wait(sleeper, 0, 0, syncMs)
      }),
    isLocked,
    isStoreFault: isFileFault,
    versionOf: ({ dataVersion }) => dataVersion.get()?.['data_version'],
    lockTimeoutMs: 10_000,
  })
  return {
    turn: () => commits.run(({ insert }) => insert.run(name)),
    close: () => database.close(),
  }
}
