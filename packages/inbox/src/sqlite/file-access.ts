import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
  unlinkSync,
} from 'node:fs'
import { dirname } from 'node:path'

// Nothing here may open the database, its -wal or its -shm: closing any descriptor of a file drops every POSIX lock that
// this process has on it (fcntl(2)), and another process then takes a database in use for an abandoned one.

/** The suffixes of the files that SQLite keeps next to an open database. */
export const logSuffixes = ['-wal', '-shm'] as const

/**
 * Creates the file, unless it exists, readable by its owner only: events contain personal data and credentials. SQLite gives
 * -wal and -shm the same mode. An existing file that everyone can access, as a default umask allows, is restricted too;
 * access for a group alone is assumed to be intended.
 */
export function ensurePrivateFile(file: string): void {
  const directory = dirname(file)
  if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (!existsSync(file)) createEmpty(file)
  for (const path of [file, ...logSuffixes.map((suffix) => file + suffix)]) restrict(path)
}

/** Creates the file under another name first, so that its descriptor is closed before anyone can open it as a database. */
function createEmpty(file: string): void {
  const draft = `${file}-${randomUUID()}`
  closeSync(openSync(draft, 'wx', 0o600))
  try {
    linkSync(draft, file)
  } catch {
    // Another process was faster, or the file system has no hard links, and SQLite creates the file.
  } finally {
    unlinkSync(draft)
  }
}

function restrict(path: string): void {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode
  if (mode === undefined || (mode & 0o007) === 0) return
  try {
    chmodSync(path, 0o600)
  } catch {
    // Another user's file. SQLite reports it if it cannot be used.
  }
}

/** Identifies a file while it is open: only then is its inode not reused. `undefined` if there is no file. */
export function identityOf(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true })
  return found && `${found.dev}:${found.ino}`
}

export function isEmpty(file: string): boolean {
  return statSync(file).size === 0
}

/** Whether the file alone is mounted, as `docker run -v ./webhooks.db:/data/webhooks.db` does, without its directory. */
export function isMountedAlone(file: string, readMounts: () => string = readMountInfo): boolean {
  if (statSync(file).dev !== statSync(dirname(file)).dev) return true
  // A bind mount from the same device: Linux lists it.
  try {
    const path = realpathSync(file)
    return readMounts()
      .split('\n')
      .some((line) => mountPointOf(line) === path)
  } catch {
    return false
  }
}

function readMountInfo(): string {
  return readFileSync('/proc/self/mountinfo', 'utf8')
}

/** The fifth field of a line of mountinfo, in which some characters are octal (proc_pid_mountinfo(5)). */
function mountPointOf(line: string): string | undefined {
  return line
    .split(' ')[4]
    ?.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))
}
