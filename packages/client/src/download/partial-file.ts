import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { ScrapeNestError } from '../errors.ts'
import { reasonOf, systemCodeOf } from '../request/system-code.ts'

/** Distinguishes this process from an earlier one with the same id: in a container, every process may be 1. */
const processToken = randomUUID().slice(0, 8)
const hostToken = digest(hostname()).slice(0, 8)

/** No running download is silent for this long: `timeoutMs` would have ended it. */
const staleAfterMs = 24 * 60 * 60 * 1000

/**
 * A file that is being downloaded. It is written under a temporary name next to its target, so that the target is either
 * whole or absent, whatever happens to this process, the disk or the machine.
 */
export class PartialFile {
  readonly #target: string
  readonly #temporary: string
  readonly #handle: FileHandle

  private constructor(target: string, { temporary, handle }: { temporary: string; handle: FileHandle }) {
    this.#target = target
    this.#temporary = temporary
    this.#handle = handle
  }

  /**
   * Creates a missing directory, and removes what crashed processes left behind for the same target.
   *
   * @throws {ScrapeNestError} `file_write_failed`
   */
  static async create(path: string): Promise<PartialFile> {
    const target = resolve(path)
    const directory = dirname(target)
    try {
      await mkdir(directory, { recursive: true })
      await removeStale(directory, prefixOf(target))
      const owner = `${hostToken}-${process.pid}-${processToken}-${randomUUID().slice(0, 8)}`
      const temporary = join(directory, `${prefixOf(target)}${owner}${suffix}`)
      return new PartialFile(target, { temporary, handle: await open(temporary, 'wx') })
    } catch (error) {
      throw writeFailed(target, error)
    }
  }

  /** @throws {ScrapeNestError} `file_write_failed` */
  async write(chunk: Uint8Array): Promise<void> {
    await this.#guard(async () => this.#handle.writeFile(chunk))
  }

  /**
   * Flushes the file to disk and then renames it. After this it survives a power failure.
   *
   * @throws {ScrapeNestError} `file_write_failed`
   */
  async commit(): Promise<string> {
    await this.#guard(async () => {
      await this.#handle.sync()
      await this.#handle.close()
      await rename(this.#temporary, this.#target)
      await syncDirectory(dirname(this.#target))
    })
    return this.#target
  }

  /** Removes what was written. Never throws: something else has failed already. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => {})
    await rm(this.#temporary, { force: true }).catch(() => {})
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      throw writeFailed(this.#target, error)
    }
  }
}

const suffix = '.partial'

/** A digest, because the longest possible name leaves no room for a prefix. */
function prefixOf(target: string): string {
  return `.scrapenest-${digest(basename(target)).slice(0, 16)}-`
}

async function removeStale(directory: string, prefix: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(prefix) || !name.endsWith(suffix)) continue
    const path = join(directory, name)
    const [host, pid, token] = name.slice(prefix.length, -suffix.length).split('-')
    const stale = host === hostToken ? !isRunning(Number(pid), token) : await isOld(path)
    if (stale) await rm(path, { force: true })
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

/** Otherwise a power failure may undo the rename. Windows cannot open a directory and does not need this. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function writeFailed(path: string, cause: unknown): ScrapeNestError {
  const message = `${path} could not be written: ${reasonOf(cause)}.`
  return new ScrapeNestError({ code: 'file_write_failed', message, path, systemCode: systemCodeOf(cause), cause })
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
