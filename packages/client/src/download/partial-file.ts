import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, readlink, realpath, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { ScrapeNestError } from '../errors.ts'
import { reasonOf, systemCodeOf } from '../request/system-code.ts'

/** Distinguishes this process from an earlier one with the same id: in a container, every process may be 1. */
const processToken = randomUUID().slice(0, 8)
const hostToken = digest(hostname()).slice(0, 8)

/** No running download is silent for this long: `timeoutMs` would have ended it. */
const staleAfterMs = 24 * 60 * 60 * 1000

interface Names {
  /** What the caller asked for, as an absolute path. */
  readonly path: string
  /** The file to replace: the path, or where its symbolic links lead. */
  readonly target: string
  readonly temporary: string
}

/**
 * A file that is being downloaded. It is written under a temporary name next to its target, so that the target is either
 * whole or absent, whatever happens to this process, the disk or the machine.
 */
export class PartialFile {
  readonly #names: Names
  readonly #handle: FileHandle

  private constructor(names: Names, handle: FileHandle) {
    this.#names = names
    this.#handle = handle
  }

  /**
   * Creates a missing directory, and removes what crashed processes left behind for the same target. A symbolic link is
   * followed, as by every other program that writes to it.
   *
   * @throws {ScrapeNestError} `file_write_failed`
   */
  static async create(to: string): Promise<PartialFile> {
    const path = resolve(to)
    try {
      const target = await followLinks(path)
      const directory = dirname(target)
      await mkdir(directory, { recursive: true })
      await removeStale(directory, prefixOf(target))
      const owner = `${hostToken}-${process.pid}-${processToken}-${randomUUID().slice(0, 8)}`
      const temporary = join(directory, `${prefixOf(target)}${owner}${suffix}`)
      return new PartialFile({ path, target, temporary }, await open(temporary, 'wx', ownerOnly))
    } catch (error) {
      throw writeFailed(path, error)
    }
  }

  /** @throws {ScrapeNestError} `file_write_failed` */
  async write(chunk: Uint8Array): Promise<void> {
    await this.#guard(async () => this.#handle.writeFile(chunk))
  }

  /**
   * Flushes the file to disk and then renames it. After this it survives a power failure, if the file system can flush
   * directories.
   *
   * @throws {ScrapeNestError} `file_write_failed`
   */
  async commit(): Promise<string> {
    const { path, target, temporary } = this.#names
    await this.#guard(async () => {
      await keepMode(this.#handle, target)
      await this.#handle.sync()
      await this.#handle.close()
      await rename(temporary, target)
      await syncDirectory(dirname(target))
    })
    return path
  }

  /** Removes what was written. Never throws: something else has failed already. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => {})
    await rm(this.#names.temporary, { force: true }).catch(() => {})
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      throw writeFailed(this.#names.path, error)
    }
  }
}

/** Artifacts can hold personal data. */
const ownerOnly = 0o600

const suffix = '.partial'

/** A digest, because the longest possible name leaves no room for a prefix. */
function prefixOf(target: string): string {
  return `.scrapenest-${digest(basename(target)).slice(0, 16)}-`
}

/** As in Linux. */
const maxLinks = 40

/** Where a path leads, also if there is nothing yet. */
async function followLinks(path: string, followed = 0): Promise<string> {
  const link = await readlink(path).catch(() => undefined)
  if (link === undefined) return path
  if (followed === maxLinks) throw Object.assign(new Error('Too many symbolic links.'), { code: 'ELOOP' })
  // The directory may be a link itself, and `..` then means the parent of where it leads.
  return followLinks(resolve(await realpath(dirname(path)), link), followed + 1)
}

/** An existing file may be readable by others on purpose. */
async function keepMode(handle: FileHandle, target: string): Promise<void> {
  const existing = await stat(target).catch(() => undefined)
  // Some file systems have no modes. The file then has the one that all files there have.
  if (existing?.isFile()) await handle.chmod(existing.mode & 0o777).catch(ignoreUnsupported)
}

/** Never throws: in a shared directory these may be the files of others, which are not ours to remove. */
async function removeStale(directory: string, prefix: string): Promise<void> {
  const names = await readdir(directory).catch(() => [])
  for (const name of names) {
    if (!name.startsWith(prefix) || !name.endsWith(suffix)) continue
    const path = join(directory, name)
    const [host, pid, token] = name.slice(prefix.length, -suffix.length).split('-')
    const stale = host === hostToken ? !isRunning(Number(pid), token) : await isOld(path)
    if (stale) await rm(path, { force: true }).catch(() => {})
  }
}

function isRunning(pid: number, token: string | undefined): boolean {
  if (pid === process.pid) return token === processToken
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: the process exists, but belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Whether a process on another machine that shares the disk must have crashed. */
async function isOld(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > staleAfterMs
}

/**
 * Otherwise a power failure may undo the rename. Windows cannot open a directory, and shares (CIFS, SMB) and some FUSE file
 * systems cannot flush one: the file is complete all the same.
 */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r').catch(ignoreUnsupported)
  try {
    await handle?.sync().catch(ignoreUnsupported)
  } finally {
    await handle?.close()
  }
}

/** What file systems return for an operation that they do not have, or do not allow. EIO and ENOSPC are none of them. */
const unsupportedCodes: ReadonlySet<unknown> = new Set([
  'EACCES',
  'EBADF',
  'EINVAL',
  'EISDIR',
  'ENOSYS',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EPERM',
])

function ignoreUnsupported(error: unknown): undefined {
  if (!unsupportedCodes.has(systemCodeOf(error))) throw error
}

function writeFailed(path: string, cause: unknown): ScrapeNestError {
  const message = `${path} could not be written: ${reasonOf(cause)}.`
  return new ScrapeNestError({ code: 'file_write_failed', message, path, systemCode: systemCodeOf(cause), cause })
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
