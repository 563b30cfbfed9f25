import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  unlinkSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'

// Never open the database, its -wal or its -shm here. Closing any descriptor of a file drops all POSIX locks that this
// process holds on it (fcntl(2)), and another process would then treat a database in use as abandoned.

/** The suffixes of the files that SQLite keeps next to an open database. */
const logSuffixes = ['-wal', '-shm'] as const

/**
 * Creates the file if it is missing, readable by its owner only, because events contain personal data and credentials.
 * SQLite creates -wal and -shm with the same mode. An existing file that everyone can access, as with a default umask, is
 * restricted too. Group access alone is assumed to be intentional.
 */
export function ensurePrivateFile(file: string): void {
  const database = targetOf(file)
  const directory = dirname(database)
  if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (!existsSync(database)) createEmpty(database)
  for (const path of [database, ...logSuffixes.map((suffix) => database + suffix)]) restrict(path)
}

/** The path that symbolic links lead to, even if nothing is there yet. SQLite puts -wal and -shm next to it. */
export function targetOf(path: string, linksLeft = 40): string {
  try {
    return realpathSync(path)
  } catch {
    const target = linksLeft > 0 ? readLink(path) : undefined
    if (target === undefined) return path
    return targetOf(resolve(targetOf(dirname(path)), target), linksLeft - 1)
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/**
 * Creates the file under a temporary name first, so its descriptor is closed before any process can open it as a database.
 */
function createEmpty(file: string): void {
  // Independent of the file's name, which may be as long as the file system allows.
  const draft = join(dirname(file), `.${randomUUID()}`)
  closeSync(openSync(draft, 'wx', 0o600))
  try {
    linkSync(draft, file)
  } catch {
    // Another process was faster, or the file system has no hard links. In that case SQLite creates the file.
  } finally {
    unlinkSync(draft)
  }
}

function restrict(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  // Regular files only: a directory or /dev/null passed by mistake would become unusable for everyone else.
  if (!found?.isFile() || (found.mode & 0o007) === 0) return
  try {
    chmodSync(path, 0o600)
  } catch {
    // The file belongs to another user. SQLite reports it if it is unusable.
  }
}

/** Identifies a file while it is open. Once it is closed, its inode can be reused. `undefined` if there is no file. */
export function identityOf(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true })
  return found && `${found.dev}:${found.ino}`
}

/** A file as it was when the database was opened. */
export interface OpenedFile {
  readonly path: string
  /** `undefined` if there was no file. */
  readonly identity: string | undefined
}

export function openedFile(path: string): OpenedFile {
  return { path, identity: identityOf(path) }
}

export function isAsOpened({ path, identity }: OpenedFile): boolean {
  return identityOf(path) === identity
}

export function isEmpty(file: string): boolean {
  return statSync(file).size === 0
}

/** Whether the file is mounted without its directory, as with `docker run -v ./webhooks.db:/data/webhooks.db`. */
export function isMountedAlone(file: string, readMounts: () => string = readMountInfo): boolean {
  const path = targetOf(file)
  if (statSync(path).dev !== statSync(dirname(path)).dev) return true
  // Linux also lists bind mounts from the same device.
  try {
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

/** The fifth field of a mountinfo line. Some characters are escaped as octal (proc_pid_mountinfo(5)). */
function mountPointOf(line: string): string | undefined {
  return line
    .split(' ')[4]
    ?.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))
}
