import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, readlink, realpath, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { ScrapeNestError } from '../errors.ts'
import { reasonOf, systemCodeOf } from '../request/system-code.ts'

/** Distinguishes this process from an earlier one with the same id. In a container, the id may always be 1. */
const processToken = randomUUID().slice(0, 8)
const hostToken = digest(hostname()).slice(0, 8)

/** No running download pauses for this long, because `timeoutMs` would have ended it. */
const staleAfterMs = 24 * 60 * 60 * 1000

interface Names {
  /** The path given by the caller, made absolute. */
  readonly path: string
  /** The file to replace: the path, or the target of its symbolic links. */
  readonly target: string
  readonly temporary: string
}

/**
 * A file that is being downloaded. It is written under a temporary name next to its target, so the target is either complete
 * or absent, whatever happens to this process, the disk or the machine.
 */
export class PartialFile {
  readonly #names: Names
  readonly #handle: FileHandle

  private constructor(names: Names, handle: FileHandle) {
    this.#names = names
    this.#handle = handle
  }

  /**
   * Creates a missing directory, and removes temporary files that crashed processes left for the same target. Symbolic links
   * are followed, as is usual when writing to a file.
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
   * Flushes the file to disk, then renames it. After that it survives a power failure, if the file system can flush
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

  /** Deletes the temporary file. Never throws, because another failure is already being handled. */
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

/** Artifacts can contain personal data. */
const ownerOnly = 0o600

const suffix = '.partial'

/** A digest, because the longest possible name leaves no room for a prefix. */
function prefixOf(target: string): string {
  return `.scrapenest-${digest(basename(target)).slice(0, 16)}-`
}

/** The same limit as Linux. */
const maxLinks = 40

/** Resolves symbolic links, even if the target does not exist yet. */
async function followLinks(path: string, followed = 0): Promise<string> {
  const link = await readlink(path).catch(() => undefined)
  if (link === undefined) return path
  if (followed === maxLinks) throw Object.assign(new Error('Too many symbolic links.'), { code: 'ELOOP' })
  // The directory may itself be a link, in which case `..` means the parent of its target.
  return followLinks(resolve(await realpath(dirname(path)), link), followed + 1)
}

/** An existing file may be readable by others on purpose. */
async function keepMode(handle: FileHandle, target: string): Promise<void> {
  const existing = await stat(target).catch(() => undefined)
  // Some file systems have no modes. All files there have the same one.
  if (existing?.isFile()) await handle.chmod(existing.mode & 0o777).catch(ignoreUnsupported)
}

/** Never throws: in a shared directory, the files may belong to other users and cannot be removed. */
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

/** Whether the file is so old that its process, perhaps on another machine that shares the disk, must have crashed. */
async function isOld(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > staleAfterMs
}

/**
 * Flushes a directory; otherwise a power failure may undo the rename. Windows cannot open directories, and network shares
 * (CIFS, SMB) and some FUSE file systems cannot flush them. The file is complete anyway.
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

/** Returned by file systems for an operation that they do not support or allow. EIO and ENOSPC are real failures. */
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
