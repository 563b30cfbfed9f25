import { mkdir, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { checkTargetPath } from '../../src/download/target-path.ts'
import { startServer } from '../stub-server.ts'
import { clientOf } from './storage.ts'
import { useTemporaryFolder } from './temporary-folder.ts'

const folder = useTemporaryFolder()

describe('the path of a download', () => {
  it.each([
    'data/../../outside/new.png',
    'data/..',
    'data/a/../b',
    './data/../x',
    '../data/../x',
    'data//../x',
    'data/./../x',
    'data\\..\\x',
  ])('is refused if it goes up after a name: %s', (to) => {
    expect(() => checkTargetPath(to)).toThrow(expect.objectContaining({ code: 'configuration_invalid' }))
    expect(() => checkTargetPath(to)).toThrow(/encodeURIComponent.*path\.resolve/)
  })

  it.each(['x', 'data/x', './x', '../x', '../../data/x', 'data/..x', 'data/x..', 'data/...', '/app/../data/x'])(
    'may be %s',
    (to) => {
      expect(checkTargetPath(to)).toBe(to)
    },
  )

  it.each([undefined, null, '', 7, {}])('must be text: %o', (to) => {
    expect(() => checkTargetPath(to)).toThrow('Expected `to` to be the path of a file.')
  })

  it('is checked before anything is requested or created', async () => {
    const requested = vi.fn()
    const url = await startServer((_request, response) => {
      requested()
      response.end('x')
    })
    await mkdir(join(folder.path, 'app'))
    const cwd = vi.spyOn(process, 'cwd').mockReturnValue(join(folder.path, 'app'))
    const to = `data/${'../../outside/new'}.png`
    await expect(clientOf().artifacts.download(url, { to })).rejects.toMatchObject({ code: 'configuration_invalid' })
    expect(requested).not.toHaveBeenCalled()
    expect(await readdir(folder.path, { recursive: true })).toEqual(['app'])

    await clientOf().artifacts.download(url, { to: resolve(to) })
    expect(await readdir(folder.path)).toEqual(['app', 'outside'])
    cwd.mockRestore()
  })
})
