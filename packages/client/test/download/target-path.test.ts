import { mkdir, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest'
import { confineTargetPath } from '../../src/download/target-path.ts'
import { startServer } from '../stub-server.ts'
import { clientOf } from './storage.ts'
import { useTemporaryFolder } from './temporary-folder.ts'

const folder = useTemporaryFolder()

let warn: MockInstance<typeof process.emitWarning>
beforeEach(() => {
  warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
})
afterEach(() => warn.mockRestore())

describe('the path of a download', () => {
  it.each([
    ['data/../../outside/new.png', 'data/outside/new.png'],
    ['data/../x', 'data/x'],
    ['./data/../x', './data/x'],
    ['../data/../../x', '../data/x'],
    ['data//../x', 'data/x'],
    ['data/a/../../../b', 'data/b'],
    ['data\\..\\..\\x', 'data/x'],
  ])('stays in its first directory, with a warning: %s', (to, confined) => {
    expect(confineTargetPath(to)).toBe(confined)
    expect(warn).toHaveBeenCalledExactlyOnceWith(
      expect.stringMatching(/encodeURIComponent.*path\.resolve/),
      expect.objectContaining({ code: 'SCRAPENEST_PATH_CONFINED' }),
    )
  })

  it.each(['x', 'data/x', '../x', '../../data/x', 'data/a/../b', 'data/..x', 'data/x..', 'data/...', '/app/../data/x'])(
    'may be %s',
    (to) => {
      expect(confineTargetPath(to)).toBe(to)
      expect(warn).not.toHaveBeenCalled()
    },
  )

  it.each([undefined, null, '', 7, {}, 'data/..', 'data/../..'])('must be that of a file: %o', (to) => {
    expect(() => confineTargetPath(to)).toThrow('Expected `to` to be the path of a file.')
  })

  it('with a hostile job_id stays in its directory, unless path.resolve opts out', async () => {
    const url = await startServer((_request, response) => response.end('x'))
    await mkdir(join(folder.path, 'app'))
    const cwd = vi.spyOn(process, 'cwd').mockReturnValue(join(folder.path, 'app'))
    const to = `data/${'../../outside/new'}.png`
    const { path } = await clientOf().artifacts.download(url, { to })
    expect(path).toBe(join(folder.path, 'app/data/outside/new.png'))
    expect(await readdir(folder.path)).toEqual(['app'])

    await clientOf().artifacts.download(url, { to: resolve(to) })
    expect(await readdir(folder.path)).toEqual(['app', 'outside'])
    cwd.mockRestore()
  })
})
