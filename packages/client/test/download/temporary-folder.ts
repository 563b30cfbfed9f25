import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'

export interface TemporaryFolder {
  readonly path: string
  /** A file to download to. */
  readonly target: string
  expectEmpty(): Promise<void>
}

/** A new folder for each test of the file, removed afterward. */
export function useTemporaryFolder(): TemporaryFolder {
  let path = ''
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'scrapenest-download-'))
  })
  afterEach(() => rm(path, { recursive: true, force: true }))
  return {
    get path() {
      return path
    },
    get target() {
      return join(path, 'page.html')
    },
    expectEmpty: async () => expect(await readdir(path)).toEqual([]),
  }
}
