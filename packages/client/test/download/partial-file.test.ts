import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmod,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { startServer } from '../stub-server.ts'
import { run } from './run.ts'
import { bytes, clientOf, sha256, startStorage } from './storage.ts'
import { useTemporaryFolder } from './temporary-folder.ts'

const folder = useTemporaryFolder()

describe('a process that dies in the middle', () => {
  const script = `
    import { ScrapeNestClient } from '@scrapenest-webhooks/client'
    const client = new ScrapeNestClient({ apiKey: 'k', allowInsecure: true, allowPrivateAddresses: true, maxRetries: 0 })
    process.on('SIGXFSZ', () => {})
    await client.artifacts.download(process.argv[1], { to: process.argv[2], onProgress: () => process.stdout.write('.') })
      .catch((error) => { process.stdout.write(JSON.stringify({ code: error.code, systemCode: error.systemCode })); process.exitCode = 3 })`

  it('leaves nothing under the final name, and the next run removes its temporary file', async () => {
    const url = await startServer((_request, response) => response.writeHead(200).write(bytes.subarray(0, 1000)))
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, url, folder.target], {
      cwd: import.meta.dirname,
    })
    await new Promise((received) => child.stdout.once('data', received))
    const [partial, ...others] = await readdir(folder.path)
    expect(partial).toMatch(/^\.scrapenest-.*\.partial$/)
    expect(others).toEqual([])
    child.kill('SIGKILL')
    await new Promise((exited) => child.once('exit', exited))
    expect(await readdir(folder.path)).toEqual([partial])

    await clientOf().artifacts.download(await startStorage(), { to: folder.target })
    expect(await readdir(folder.path)).toEqual(['page.html'])
  })

  it('leaves alone the files of running downloads and of other targets', async () => {
    let release = (): void => {}
    const slow = await startServer((_request, response) => {
      response.writeHead(200).write(bytes.subarray(0, 1000))
      release = () => response.end(bytes.subarray(1000))
    })
    let started = (): void => {}
    const running = new Promise<void>((resolve) => {
      started = resolve
    })
    const first = clientOf().artifacts.download(slow, { to: folder.target, onProgress: () => started() })
    await running
    await writeFile(join(folder.path, '.scrapenest-0123456789abcdef-aaaaaaaa-1-bbbbbbbb-cccccccc.partial'), '')
    await clientOf().artifacts.download(await startStorage(), { to: folder.target })
    expect(await readdir(folder.path)).toHaveLength(3)
    release()
    expect(await first).toMatchObject({ sha256 })
    expect(await readdir(folder.path)).toHaveLength(2)
  })

  it('the next run removes what another machine left a day ago, and nothing newer', async () => {
    const prefix = `.scrapenest-${createHash('sha256').update('page.html').digest('hex').slice(0, 16)}`
    const dayAgo = new Date(Date.now() - 25 * 60 * 60 * 1000)
    for (const name of ['old', 'new']) await writeFile(join(folder.path, `${prefix}-ffffffff-1-${name}-x.partial`), '')
    await utimes(join(folder.path, `${prefix}-ffffffff-1-old-x.partial`), dayAgo, dayAgo)
    await clientOf().artifacts.download(await startStorage(), { to: folder.target })
    expect((await readdir(folder.path)).sort()).toEqual([`${prefix}-ffffffff-1-new-x.partial`, 'page.html'])
  })

  it.runIf(process.platform === 'linux')(
    'a full disk is file_write_failed with its systemCode, and leaves nothing',
    async () => {
      // The kernel refuses the write: a file system of 128 KiB if this user may mount one, otherwise a limit on file sizes.
      const url = await startStorage()
      const mounted = `mount -t tmpfs -o size=128k none "${folder.path}" && exec "$@"; exit 70`
      const limited = 'ulimit -f 64; exec "$@"'
      const node = [process.execPath, '--input-type=module', '-e', script, url, folder.target]
      let outcome = await run('unshare', [
        '--user',
        '--map-root-user',
        '--mount',
        'sh',
        '-c',
        `${mounted}`,
        'sh',
        ...node,
      ])
      const isMounted = outcome.exitCode === 3
      if (!isMounted) outcome = await run('sh', ['-c', limited, 'sh', ...node])
      expect(outcome.stdout).toContain(
        JSON.stringify({ code: 'file_write_failed', systemCode: isMounted ? 'ENOSPC' : 'EFBIG' }),
      )
      await folder.expectEmpty()
    },
  )
})

/** Makes an operation on the directories, or on the files, that this process opens fail with a system code. */
async function failOperation(operation: 'sync' | 'chmod', kind: 'directories' | 'files', code: string): Promise<void> {
  const handle = await open(folder.path)
  const prototype: Pick<FileHandle, 'sync' | 'chmod'> = Object.getPrototypeOf(handle)
  await handle.close()
  const original = prototype[operation]
  vi.spyOn(prototype, operation).mockImplementation(async function (this: FileHandle, ...parameters: [number]) {
    if ((await this.stat()).isDirectory() === (kind === 'directories')) throw Object.assign(new Error(code), { code })
    await original.apply(this, parameters)
  } as () => Promise<void>)
  onTestFinished(() => void vi.restoreAllMocks())
}

describe.skipIf(process.platform === 'win32')('a file system', () => {
  it.each(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM', 'ENOSYS', 'EBADF', 'EACCES'])(
    'that refuses to flush directories with %s gets the whole file',
    async (code) => {
      await failOperation('sync', 'directories', code)
      await clientOf().artifacts.download(await startStorage(), { to: folder.target })
      expect(await readFile(folder.target)).toEqual(bytes)
      expect(await readdir(folder.path)).toEqual(['page.html'])
    },
  )

  it('that fails to flush a directory is file_write_failed, and no partial file is left', async () => {
    await failOperation('sync', 'directories', 'EIO')
    const download = clientOf().artifacts.download(await startStorage(), { to: folder.target })
    await expect(download).rejects.toMatchObject({
      code: 'file_write_failed',
      systemCode: 'EIO',
      message: expect.stringContaining('No partial file is left under this name.'),
    })
    expect(await readFile(folder.target)).toEqual(bytes)
    expect(await readdir(folder.path)).toEqual(['page.html'])
  })

  it('that fails to flush the file is file_write_failed, and no file is left', async () => {
    await failOperation('sync', 'files', 'EINVAL')
    const download = clientOf().artifacts.download(await startStorage(), { to: folder.target })
    await expect(download).rejects.toMatchObject({ code: 'file_write_failed', systemCode: 'EINVAL' })
    await folder.expectEmpty()
  })

  it('that has no modes gets the whole file', async () => {
    await writeFile(folder.target, 'old')
    await failOperation('chmod', 'files', 'EPERM')
    await clientOf().artifacts.download(await startStorage(), { to: folder.target })
    expect(await readFile(folder.target)).toEqual(bytes)
  })
})

describe.skipIf(process.platform === 'win32')('the mode', () => {
  const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8)

  it('of a new file is 600, also while it is incomplete', async () => {
    const modes: Promise<string>[] = []
    const onProgress = async (): Promise<void> => {
      const [partial = ''] = await readdir(folder.path)
      modes.push(modeOf(join(folder.path, partial)))
    }
    await clientOf().artifacts.download(await startStorage(), {
      to: folder.target,
      onProgress: () => void onProgress(),
    })
    expect(new Set(await Promise.all(modes))).toEqual(new Set(['600']))
    expect(await modeOf(folder.target)).toBe('600')
  })

  it.each(['600', '640', '644', '666', '755'])('%s of an existing file is kept', async (mode) => {
    await writeFile(folder.target, 'old')
    await chmod(folder.target, Number.parseInt(mode, 8))
    await clientOf().artifacts.download(await startStorage(), { to: folder.target })
    expect(await modeOf(folder.target)).toBe(mode)
    expect(await readFile(folder.target)).toEqual(bytes)
  })
})

describe.skipIf(process.platform === 'win32')('a symbolic link', () => {
  it('is followed: its target is replaced, and the partial file is written next to the target', async () => {
    const [store, links] = [join(folder.path, 'store'), join(folder.path, 'links')]
    for (const path of [store, links]) await mkdir(path)
    await writeFile(join(store, 'real.html'), 'old')
    // Through a linked directory, whose `..` is the parent of the link's target.
    await mkdir(join(folder.path, 'deep', 'links'), { recursive: true })
    await symlink('../../links/second.html', join(folder.path, 'deep', 'links', 'first.html'))
    await symlink('../store/real.html', join(links, 'second.html'))
    await symlink('deep/links', join(folder.path, 'linked'))
    const to = join(folder.path, 'linked', 'first.html')
    const seen: Promise<string[]>[] = []
    const onProgress = (): void => void seen.push(readdir(store))

    expect(await clientOf().artifacts.download(await startStorage(), { to, onProgress })).toMatchObject({ path: to })
    expect((await lstat(to)).isSymbolicLink()).toBe(true)
    expect((await lstat(join(links, 'second.html'))).isSymbolicLink()).toBe(true)
    expect(await readFile(join(store, 'real.html'))).toEqual(bytes)
    expect((await seen[0])?.length).toBe(2)
    expect(await readdir(store)).toEqual(['real.html'])
  })

  it('whose target does not exist yet creates it', async () => {
    await symlink('new/real.html', folder.target)
    await clientOf().artifacts.download(await startStorage(), { to: folder.target })
    expect(await readlink(folder.target)).toBe('new/real.html')
    expect(await readFile(join(folder.path, 'new', 'real.html'))).toEqual(bytes)
  })

  it('that leads to itself is file_write_failed', async () => {
    await symlink('page.html', folder.target)
    const download = clientOf().artifacts.download(await startStorage(), { to: folder.target })
    await expect(download).rejects.toMatchObject({
      code: 'file_write_failed',
      path: folder.target,
      systemCode: 'ELOOP',
    })
    expect(await readdir(folder.path)).toEqual(['page.html'])
  })
})

it('a partial file of another user that cannot be removed does not fail a download', async () => {
  const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
  const owner = `${digest(hostname()).slice(0, 8)}-999999-aaaaaaaa-bbbbbbbb`
  const blocker = `.scrapenest-${digest('page.html').slice(0, 16)}-${owner}.partial`
  await mkdir(join(folder.path, blocker, 'kept'), { recursive: true })
  await clientOf().artifacts.download(await startStorage(), { to: folder.target })
  expect((await readdir(folder.path)).sort()).toEqual([blocker, 'page.html'])
})

it.skipIf(process.platform === 'win32')(
  'a directory that may be written and not be read gets the whole file',
  async () => {
    // Root could read it.
    const script = `
      import { ScrapeNestClient } from '@scrapenest-webhooks/client'
      if (process.getuid() === 0) process.setuid(65534)
      const { artifacts } = new ScrapeNestClient({ apiKey: 'k', allowInsecure: true, allowPrivateAddresses: true })
      const outcome = artifacts.download(process.argv[1], { to: process.argv[2] })
      console.log(await outcome.then(() => 'whole', (error) => error.message))`
    await chmod(folder.path, 0o333)
    const url = await startStorage()
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script, url, folder.target])
    await chmod(folder.path, 0o700)
    expect(stdout.trim()).toBe('whole')
    expect(await readdir(folder.path)).toEqual(['page.html'])
  },
)
