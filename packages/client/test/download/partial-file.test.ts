import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
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

  it('the next run removes what another machine left a day ago, and nothing younger', async () => {
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
