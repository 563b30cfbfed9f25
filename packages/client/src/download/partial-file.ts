import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { FileWriteError } from '../errors.ts'

/** Tells this process from an earlier one that had the same id, as each process 1 of a container has. */
const processToken = randomUUID().slice(0, 8)
const hostToken = digest(hostname()).slice(0, 8)

/** Nobody pauses this long between two chunks: `timeoutMs` would have ended it. */
const staleAfterMs = 24 * 60 * 60 * 1000

/**
 * A file on its way: written under a name of its own beside its target, so that the target is either whole or absent,
 * whatever happens to this process, the disk or the machine.
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
   * Creates the directory where it is missing, and removes what crashed processes left of the same target.
   *
   * @throws {FileWriteError} `file_write_failed`
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
      throw new FileWriteError(target, error)
    }
  }

  /** @throws {FileWriteError} `file_write_failed` */
  async write(chunk: Uint8Array): Promise<void> {
    await this.#guard(async () => this.#handle.writeFile(chunk))
  }

  /**
   * Makes it durable, and only then visible. After this the file survives a power failure.
   *
   * @throws {FileWriteError} `file_write_failed`
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

  /** Removes what was written. Never throws: it runs where something else has failed already. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => {})
    await rm(this.#temporary, { force: true }).catch(() => {})
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      throw new FileWriteError(this.#target, error)
    }
  }
}

const suffix = '.partial'

/** A digest, because a name that is already as long as names may be leaves no room beside it. */
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
    // Another user's process is there too; it only may not be signalled.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** On a shared disk the processes of other machines cannot be asked. */
async function isOld(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > staleAfterMs
}

/** Without it a power failure may take the new name away again. Windows cannot open a directory, and needs no such call. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
