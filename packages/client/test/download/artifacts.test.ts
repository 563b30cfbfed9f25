import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DownloadOptions, ScrapeNestClient } from '../../src/index.ts'
import { freeUrl, startServer, startStub } from '../stub-server.ts'

const apiKey = 'sn_live_0123456789abcdef'
const bytes = randomBytes(300_000)
const sha256 = createHash('sha256').update(bytes).digest('hex')
const here = { allowInsecure: true, allowPrivateAddresses: true }

let directory: string
let target: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'scrapenest-download-'))
  target = join(directory, 'page.html')
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

function clientOf(baseUrl = 'https://api.scrapenest.com', options: object = {}): ScrapeNestClient {
  return new ScrapeNestClient({ apiKey, baseUrl, maxRetries: 0, ...here, ...options })
}

async function expectNothingLeft(): Promise<void> {
  expect(await readdir(directory)).toEqual([])
}

function storage(headers: Record<string, string> = {}, body: Uint8Array = bytes): Promise<string> {
  return startServer((_request, response) => response.writeHead(200, headers).end(body))
}

describe('a download', () => {
  it('writes the bytes, whole and under the final name only, and tells size and SHA-256', async () => {
    const url = await storage({ 'content-length': String(bytes.length), 'content-type': 'text/html' })
    const to = join(directory, 'new', 'folder', 'page.html')
    const result = await clientOf().artifacts.download(`${url}/a?signature=1`, { to })
    expect(result).toEqual({ path: to, byteLength: bytes.length, sha256, contentType: 'text/html' })
    expect(await readFile(to)).toEqual(bytes)
    expect(await readdir(join(directory, 'new', 'folder'))).toEqual(['page.html'])
  })

  it('replaces a file that is there only when the new one is whole', async () => {
    await writeFile(target, 'old')
    const failing = await storage({}, Buffer.from('changed'))
    await expect(clientOf().artifacts.download(failing, { to: target, sha256 })).rejects.toMatchObject({
      code: 'integrity_mismatch',
    })
    expect(await readFile(target, 'utf8')).toBe('old')
    await clientOf().artifacts.download(await storage(), { to: target, sha256 })
    expect(await readFile(target)).toEqual(bytes)
    expect(await readdir(directory)).toEqual(['page.html'])
  })

  it('tells how far it is', async () => {
    const seen: object[] = []
    const url = await storage({ 'content-length': String(bytes.length) })
    await clientOf().artifacts.download(url, { to: target, onProgress: (progress) => seen.push(progress) })
    expect(seen.at(-1)).toEqual({ receivedBytes: bytes.length, totalBytes: bytes.length })
    expect(seen.length).toBeGreaterThan(1)
  })

  it('takes the SHA-256 in hex and in base64', async () => {
    const url = await storage()
    for (const form of [sha256.toUpperCase(), `sha256:${sha256}`, Buffer.from(sha256, 'hex').toString('base64')]) {
      await clientOf().artifacts.download(url, { to: target, sha256: form })
    }
    await expect(clientOf().artifacts.download(url, { to: target, sha256: 'abc' })).rejects.toMatchObject({
      code: 'configuration_invalid',
    })
    await expect(
      clientOf().artifacts.download(url, { to: target, sha265: sha256 } as DownloadOptions),
    ).rejects.toMatchObject({ code: 'configuration_invalid' })
  })

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ] as const)('undoes a content-encoding of %s, and counts what comes out', async (encoding, compress) => {
    const text = Buffer.alloc(500_000, 'a')
    const url = await storage({ 'content-encoding': encoding }, compress(text))
    expect(await clientOf().artifacts.downloadBytes(url)).toEqual(new Uint8Array(text))
    await expect(clientOf().artifacts.download(url, { to: target, maxBytes: 400_000 })).rejects.toMatchObject({
      code: 'download_too_large',
    })
    await expectNothingLeft()
  })

  it('reads an artifact as text', async () => {
    const url = await storage({}, Buffer.from('zürich', 'latin1'))
    expect(await clientOf().artifacts.downloadText(url, { encoding: 'latin1' })).toBe('zürich')
  })

  it('refuses what is longer than maxBytes, declared or not', async () => {
    const declared = await storage({ 'content-length': String(bytes.length) })
    const undeclared = await storage({ 'transfer-encoding': 'chunked' })
    for (const url of [declared, undeclared]) {
      const download = clientOf().artifacts.download(url, { to: target, maxBytes: bytes.length - 1 })
      await expect(download).rejects.toMatchObject({ code: 'download_too_large', maxBytes: bytes.length - 1 })
    }
    await expectNothingLeft()
    await clientOf().artifacts.download(declared, { to: target, maxBytes: bytes.length })
  })

  it('never sends the API key to the storage', async () => {
    const { url, requests } = await startStub({ body: 'x' })
    await clientOf().artifacts.download(url, { to: target })
    expect(JSON.stringify(requests)).not.toContain(apiKey)
  })
})

describe('a download that breaks', () => {
  it('leaves nothing when the connection ends early, and starts again where retries are left', async () => {
    let count = 0
    const url = await startServer((_request, response) => {
      count += 1
      response.writeHead(200, { 'content-length': bytes.length })
      if (count < 3) response.write(bytes.subarray(0, 1000), () => response.destroy())
      else response.end(bytes)
    })
    await expect(clientOf().artifacts.download(url, { to: target })).rejects.toMatchObject({
      code: 'connection_failed',
    })
    await expectNothingLeft()
    expect(
      await clientOf('https://x.example', { maxRetries: 1 }).artifacts.download(url, { to: target }),
    ).toMatchObject({ sha256 })
    expect(count).toBe(3)
  })

  it('is no success when a body of unknown length ends early', async () => {
    const url = await startServer((_request, response) => {
      response.writeHead(200)
      response.write(bytes.subarray(0, 1000), () => response.destroy())
    })
    await expect(clientOf().artifacts.download(url, { to: target })).rejects.toMatchObject({
      code: 'connection_failed',
    })
    await expectNothingLeft()
  })

  it('gives up when no byte comes for timeoutMs, before the answer and in its middle', async () => {
    for (const begins of [false, true]) {
      const url = await startServer((_request, response) => {
        if (begins) response.writeHead(200).write(bytes.subarray(0, 1000))
      })
      const failure = clientOf('https://x.example', { timeoutMs: 150 }).artifacts.download(url, { to: target })
      await expect(failure).rejects.toMatchObject({ code: 'request_timeout', timeoutMs: 150 })
    }
    await expectNothingLeft()
  })

  it('rejects with the signal’s reason when aborted, before and in the middle', async () => {
    const url = await startServer((_request, response) => response.writeHead(200).write(bytes.subarray(0, 1000)))
    const reason = new Error('enough')
    await expect(clientOf().artifacts.download(url, { to: target, signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    const controller = new AbortController()
    const onProgress = () => controller.abort(reason)
    const aborted = clientOf('https://x.example', { maxRetries: 2 }).artifacts.download(url, {
      to: target,
      onProgress,
      signal: controller.signal,
    })
    await expect(aborted).rejects.toBe(reason)
    await expectNothingLeft()
  })

  it('passes on what onProgress throws, and leaves nothing', async () => {
    const reason = new Error('no more room on screen')
    const onProgress = () => {
      throw reason
    }
    await expect(clientOf().artifacts.download(await storage(), { to: target, onProgress })).rejects.toBe(reason)
    await expectNothingLeft()
  })

  it.each([404, 500, 204, 206])('reports a storage that answers %i', async (status) => {
    const url = await startServer((_request, response) => response.writeHead(status).end())
    await expect(clientOf().artifacts.download(url, { to: target })).rejects.toMatchObject({
      code: 'download_failed',
      status,
    })
    await expectNothingLeft()
  })

  it('reports a storage that is not there', async () => {
    const failure = clientOf().artifacts.download(await freeUrl(), { to: target })
    await expect(failure).rejects.toMatchObject({
      code: 'connection_failed',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })

  it('reports a target that cannot be written, and leaves nothing', async () => {
    const url = await storage()
    await writeFile(join(directory, 'file'), '')
    const below = await clientOf()
      .artifacts.download(url, { to: join(directory, 'file', 'page.html') })
      .catch((error: unknown) => error)
    expect(below).toMatchObject({ code: 'file_write_failed' })
    await rm(join(directory, 'file'))
    await mkdir(target)
    const onto = await clientOf()
      .artifacts.download(url, { to: target })
      .catch((error: unknown) => error)
    expect(onto).toMatchObject({
      code: 'file_write_failed',
      path: target,
      systemCode: expect.stringMatching(/EISDIR|ENOTEMPTY|EEXIST|EPERM/),
    })
    expect(await readdir(directory)).toEqual(['page.html'])
  })

  it('shows no download_url in any error', async () => {
    const secret = 'X-Amz-Signature=0123456789'
    const { url } = await startStub(
      { status: 403 },
      { status: 404 },
      { status: 302, headers: { location: 'ftp://x.example/' } },
    )
    const urls = [
      `${url}/a?${secret}`,
      `${url}/a?${secret}`,
      `${url}/a?${secret}`,
      `http://nowhere.invalid/?${secret}`,
      `https://[broken/?${secret}`,
      `ftp://x.example/?${secret}`,
      `${await freeUrl()}/?${secret}`,
    ]
    for (const each of urls) {
      const error = await clientOf()
        .artifacts.download(each, { to: target })
        .catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: expect.any(String) })
      expect(inspect(error, { depth: 9 })).not.toContain('0123456789')
    }
  })
})

describe('an expired URL', () => {
  const expired = { status: 403 }

  it('is renewed through the job where an event is given, and then what the job says is checked', async () => {
    const store = await startServer((request, response) => {
      if (request.url?.endsWith('old')) response.writeHead(403).end()
      else response.end(bytes)
    })
    const artifact = {
      artifact_id: 'a1',
      artifact_type: 'html',
      byte_size: bytes.length,
      content_hash: sha256,
      download_url: `${store}/a?new`,
    }
    const api = await startStub({ body: { job_id: 'j1', status: 'succeeded', artifacts: [artifact] } })
    const event = {
      event_type: 'artifact.ready',
      data: { job_id: 'j1', artifact_type: 'html', download_url: `${store}/a?old` },
    }
    expect(await clientOf(api.url).artifacts.download(event, { to: target })).toMatchObject({ sha256 })
    expect(api.requests.map(({ url }) => url)).toEqual(['/v1/jobs/j1?include_download_urls=true'])

    const lying = await startStub({
      body: { job_id: 'j1', status: 'succeeded', artifacts: [{ ...artifact, byte_size: 5 }] },
    })
    await expect(clientOf(lying.url).artifacts.download(event, { to: join(directory, 'b') })).rejects.toMatchObject({
      code: 'integrity_mismatch',
    })
    expect(await readdir(directory)).toEqual(['page.html'])
  })

  it('picks the artifact of the event among several of its type, and refuses to guess', async () => {
    const store = await startServer((request, response) => {
      if (request.url?.endsWith('old')) response.writeHead(403).end()
      else response.end(request.url)
    })
    const artifacts = [1, 2].map((n) => ({
      artifact_id: `a${n}`,
      artifact_type: 'html',
      download_url: `${store}/${n}?new`,
    }))
    const api = await startStub({ body: { job_id: 'j1', status: 'succeeded', artifacts } })
    const event = (path: string) => ({
      data: { job_id: 'j1', artifact_type: 'html', download_url: `${store}/${path}?old` },
    })
    expect(await clientOf(api.url).artifacts.downloadText(event('2'))).toBe('/2?new')
    await expect(clientOf(api.url).artifacts.downloadText(event('3'))).rejects.toMatchObject({
      code: 'artifact_not_found',
    })
    const none = { data: { ...event('2').data, artifact_type: 'har' } }
    await expect(clientOf(api.url).artifacts.downloadText(none)).rejects.toMatchObject({ code: 'artifact_not_found' })
  })

  it('is renewed once where an id or an artifact is given', async () => {
    const store = await startStub(expired, { body: 'one' }, expired, { body: 'two' }, expired)
    const api = await startStub({ body: { artifact_id: 'a1', download_url: store.url } })
    const { artifacts } = clientOf(api.url)
    expect(await artifacts.downloadText('a1')).toBe('one')
    expect(api.requests).toHaveLength(2)
    expect(await artifacts.downloadText({ artifact_id: 'a1', artifact_type: 'html', download_url: store.url })).toBe(
      'two',
    )
    expect(api.requests).toHaveLength(3)
    await expect(artifacts.downloadText('a1')).rejects.toMatchObject({
      code: 'download_url_expired',
      message: expect.stringContaining('The renewed URL was refused'),
    })
  })

  it('is reported where only the URL is known', async () => {
    const { url } = await startStub(expired)
    await expect(clientOf().artifacts.download(url, { to: target })).rejects.toMatchObject({
      code: 'download_url_expired',
      status: 403,
    })
    await expectNothingLeft()
  })
})

describe('where a download may lead', () => {
  function strict(options: object = {}): ScrapeNestClient['artifacts'] {
    return clientOf('https://x.example', { allowInsecure: false, allowPrivateAddresses: false, ...options }).artifacts
  }

  it.each([
    'https://127.0.0.1/',
    'https://127.1/',
    'https://0x7f000001/',
    'https://2130706433/',
    'https://10.1.2.3/',
    'https://172.31.255.255/',
    'https://192.168.0.1/',
    'https://169.254.169.254/latest/meta-data',
    'https://100.64.0.1/',
    'https://0.0.0.0/',
    'https://255.255.255.255/',
    'https://[::1]/',
    'https://[::]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:a00:1]/',
    'https://[::127.0.0.1]/',
    'https://[64:ff9b::a00:1]/',
    'https://[2002:7f00:1::]/',
    'https://[fe80::1]/',
    'https://[fec0::1]/',
    'https://[fc00::1]/',
    'https://[fd12:3456::1]/',
    'https://[ff02::1]/',
    'https://localhost/',
  ])('not to %s', async (url) => {
    await expect(strict().download(url, { to: target })).rejects.toMatchObject({ code: 'address_not_allowed' })
    await expectNothingLeft()
  })

  it.each([
    'http://example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'https://user:pw@example.com/',
    'https://',
  ])('not to %s', async (url) => {
    await expect(strict().download(url, { to: target })).rejects.toMatchObject({ code: 'url_not_allowed' })
  })

  it('checks the address that a name resolves to, for the connection itself', async () => {
    const { url, requests } = await startStub({ body: 'secret of this machine' })
    const named = url.replace('127.0.0.1', 'localhost')
    const refused = strict({ allowInsecure: true }).download(named, { to: target })
    await expect(refused).rejects.toMatchObject({
      code: 'address_not_allowed',
      address: expect.stringMatching(/^(127|::1)/),
    })
    expect(requests).toEqual([])
  })

  it('one permission does not include the other', async () => {
    const url = await storage()
    await expect(strict({ allowInsecure: true }).download(url, { to: target })).rejects.toMatchObject({
      code: 'address_not_allowed',
    })
    await expect(strict({ allowPrivateAddresses: true }).download(url, { to: target })).rejects.toMatchObject({
      code: 'url_not_allowed',
    })
    expect(await strict().download(url, { to: target, ...here })).toMatchObject({ sha256 })
  })

  it('follows redirects, five at most, and checks each', async () => {
    const url = await startServer((request, response) => {
      const left = Number(request.url?.slice(1))
      if (left === 0) response.end('there')
      else response.writeHead(302, { location: `/${left - 1}` }).end()
    })
    expect(await clientOf().artifacts.downloadText(`${url}/5`)).toBe('there')
    await expect(clientOf().artifacts.downloadText(`${url}/6`)).rejects.toMatchObject({ code: 'too_many_redirects' })

    const redirecting = await startStub({ status: 302, headers: { location: 'file:///etc/passwd' } })
    await expect(clientOf().artifacts.downloadText(redirecting.url)).rejects.toMatchObject({ code: 'url_not_allowed' })
  })

  it.runIf(process.platform === 'linux')(
    'lets a public address through, and not from there to a private one',
    async (context) => {
      // A network of its own, in which this machine has a public address.
      const publicAddress = 'ip link set lo up && ip addr add 9.9.9.9/32 dev lo && exec "$@"'
      const script = `
      import { createServer } from 'node:http'
      import { ScrapeNestClient } from '@scrapenest-webhooks/client'
      const inside = createServer((request, response) => response.end('secret of this machine')).listen(8081, '127.0.0.1')
      const outside = createServer((request, response) => {
        if (request.url === '/here') response.end('public')
        else response.writeHead(302, { location: 'http://127.0.0.1:8081/' }).end()
      }).listen(8080, '9.9.9.9')
      const { artifacts } = new ScrapeNestClient({ apiKey: 'k', allowInsecure: true, maxRetries: 0 })
      const of = (url) => artifacts.downloadText(url).catch((error) => error.code)
      console.log(await of('http://9.9.9.9:8080/here'), await of('http://9.9.9.9:8080/there'))
      for (const server of [inside, outside]) server.close()`
      const node = [process.execPath, '--input-type=module', '-e', script]
      const { stdout, exitCode } = await run('unshare', [
        '--user',
        '--map-root-user',
        '--net',
        'sh',
        '-c',
        publicAddress,
        'sh',
        ...node,
      ])
      context.skip(exitCode !== 0 && stdout === '', 'this user may not make a network of its own (unshare --net, ip)')
      expect(stdout.trim()).toBe('public address_not_allowed')
    },
  )
})

describe('a process that dies in the middle', () => {
  const script = `
    import { ScrapeNestClient } from '@scrapenest-webhooks/client'
    const client = new ScrapeNestClient({ apiKey: 'k', allowInsecure: true, allowPrivateAddresses: true, maxRetries: 0 })
    process.on('SIGXFSZ', () => {})
    await client.artifacts.download(process.argv[1], { to: process.argv[2], onProgress: () => process.stdout.write('.') })
      .catch((error) => { process.stdout.write(JSON.stringify({ code: error.code, systemCode: error.systemCode })); process.exitCode = 3 })`

  it('leaves nothing under the final name, and the next run removes its temporary file', async () => {
    const url = await startServer((_request, response) => response.writeHead(200).write(bytes.subarray(0, 1000)))
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, url, target], {
      cwd: import.meta.dirname,
    })
    await new Promise((received) => child.stdout.once('data', received))
    const [partial, ...others] = await readdir(directory)
    expect(partial).toMatch(/^\.scrapenest-.*\.partial$/)
    expect(others).toEqual([])
    child.kill('SIGKILL')
    await new Promise((exited) => child.once('exit', exited))
    expect(await readdir(directory)).toEqual([partial])

    await clientOf().artifacts.download(await storage(), { to: target })
    expect(await readdir(directory)).toEqual(['page.html'])
  })

  it('does not remove what a download that runs is writing, nor what belongs to another target', async () => {
    let release = (): void => {}
    const slow = await startServer((_request, response) => {
      response.writeHead(200).write(bytes.subarray(0, 1000))
      release = () => response.end(bytes.subarray(1000))
    })
    let started = (): void => {}
    const running = new Promise<void>((resolve) => {
      started = resolve
    })
    const first = clientOf().artifacts.download(slow, { to: target, onProgress: () => started() })
    await running
    await writeFile(join(directory, '.scrapenest-0123456789abcdef-aaaaaaaa-1-bbbbbbbb-cccccccc.partial'), '')
    await clientOf().artifacts.download(await storage(), { to: target })
    expect(await readdir(directory)).toHaveLength(3)
    release()
    expect(await first).toMatchObject({ sha256 })
    expect(await readdir(directory)).toHaveLength(2)
  })

  it('removes what another machine left a day ago, and not what is younger', async () => {
    const prefix = `.scrapenest-${createHash('sha256').update('page.html').digest('hex').slice(0, 16)}`
    const dayAgo = new Date(Date.now() - 25 * 60 * 60 * 1000)
    for (const name of ['old', 'new']) await writeFile(join(directory, `${prefix}-ffffffff-1-${name}-x.partial`), '')
    await utimes(join(directory, `${prefix}-ffffffff-1-old-x.partial`), dayAgo, dayAgo)
    await clientOf().artifacts.download(await storage(), { to: target })
    expect((await readdir(directory)).sort()).toEqual([`${prefix}-ffffffff-1-new-x.partial`, 'page.html'])
  })

  it.runIf(process.platform === 'linux')('a full disk leaves nothing, and says so', async () => {
    // The kernel refuses the write: a file system of 128 KiB where this user may mount one, else a limit on file sizes.
    const url = await storage()
    const mounted = `mount -t tmpfs -o size=128k none "${directory}" && exec "$@"; exit 70`
    const limited = 'ulimit -f 64; exec "$@"'
    const node = [process.execPath, '--input-type=module', '-e', script, url, target]
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
    await expectNothingLeft()
  })
})

function run(command: string, parameters: readonly string[]): Promise<{ exitCode: number | null; stdout: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, parameters, { cwd: import.meta.dirname })
    let stdout = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.once('error', () => resolve({ exitCode: null, stdout }))
    child.once('close', (exitCode) => resolve({ exitCode, stdout }))
  })
}
