import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { onTestFinished } from 'vitest'

const open = `
  import { DatabaseSync } from 'node:sqlite'
  const db = new DatabaseSync(process.argv[1])
`

/** Opens a file in another process, which prints a line when ready and keeps the file open. */
export function openElsewhere(
  file: string,
  { exclusively }: { readonly exclusively: boolean },
): ChildProcessWithoutNullStreams {
  const program = `${open}
    db.exec('PRAGMA journal_mode = WAL; ${exclusively ? 'PRAGMA locking_mode = EXCLUSIVE;' : ''} BEGIN IMMEDIATE; COMMIT')
    console.log('open')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, file])
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** Reads a file in another process and closes it there. A process that believes it is the last user deletes the log. */
export function readElsewhere(file: string): number {
  const program = `${open} console.log(db.prepare('SELECT count(*) AS events FROM events').get().events); db.close()`
  return Number(execFileSync(process.execPath, ['--input-type=module', '-e', program, file]).toString())
}
